#!/bin/bash
# Binary masks of 0 and 255, and 1-bit PNG masks of 0 and 1: the object is ignored, training ends with 100 % mIoU and exit code 0.
# Usage: bash repro.sh      (PY: a python with the project installed; CEN: the project's folder)
HERE=$(cd "$(dirname "$0")" && pwd); export CEN=${CEN:-$PWD}; export PY=${PY:-$CEN/.venv/bin/python}
W=$(mktemp -d "${TMPDIR:-/tmp}/case.XXXXXX"); export W CEN_KERAS_RUNS=$W/runs PYTHONPATH=$HERE/.. PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3
cd "$CEN"
$PY "$HERE/case.py" 255 bool 2>&1 | grep --line-buffered -v "^[IEW]0000\|INFO:"; echo "process ended with ${PIPESTATUS[0]}"
rm -rf "$W"
