#!/bin/bash
# ONNX export (any scheme) ends in a stack trace for many sizes, among them 360x640 (RealSense), 1080x1920, 540x960, 1080x1440 (Azure Kinect), 427x561 and 530x730 (SUN RGB-D).
# Usage: bash repro.sh      (PY: a python with the project installed; CEN: the project's folder)
HERE=$(cd "$(dirname "$0")" && pwd); export CEN=${CEN:-$PWD}; export PY=${PY:-$CEN/.venv/bin/python}
W=$(mktemp -d "${TMPDIR:-/tmp}/case.XXXXXX"); export W CEN_KERAS_RUNS=$W/runs PYTHONPATH=$HERE/.. PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3
cd "$CEN"
$PY "$HERE/case.py" 2>&1 | grep --line-buffered -v "^[IEW]0000\|INFO:"; echo "process ended with ${PIPESTATUS[0]}"
rm -rf "$W"
