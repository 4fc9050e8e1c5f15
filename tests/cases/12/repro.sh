#!/bin/bash
# Faults of a data spec reported late, not at all, or as a stack trace: palette shorter than classes (only at export, after the training), palette as a numpy array, root without {split} (validates on the training views).
# Usage: bash repro.sh      (PY: a python with the project installed; CEN: the project's folder)
HERE=$(cd "$(dirname "$0")" && pwd); export CEN=${CEN:-$PWD}; export PY=${PY:-$CEN/.venv/bin/python}
W=$(mktemp -d "${TMPDIR:-/tmp}/case.XXXXXX"); export W CEN_KERAS_RUNS=$W/runs PYTHONPATH=$HERE/.. PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3
cd "$CEN"
$PY "$HERE/case.py" 2>&1 | grep --line-buffered -v "^[IEW]0000\|INFO:"; echo "process ended with ${PIPESTATUS[0]}"
rm -rf "$W"
