#!/bin/bash
# Own RGB-D folder with the shipped recipes: data.name=frames cannot be set (keys of rooms stay), a section cannot be replaced or emptied, and derive() merges them too.
# Usage: bash repro.sh      (PY: a python with the project installed; CEN: the project's folder)
HERE=$(cd "$(dirname "$0")" && pwd); export CEN=${CEN:-$PWD}; export PY=${PY:-$CEN/.venv/bin/python}
W=$(mktemp -d "${TMPDIR:-/tmp}/case.XXXXXX"); export W CEN_KERAS_RUNS=$W/runs PYTHONPATH=$HERE/.. PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3
cd "$CEN"
$PY "$HERE/case.py" 2>&1 | grep --line-buffered -v "^[IEW]0000\|INFO:"; echo "process ended with ${PIPESTATUS[0]}"
rm -rf "$W"
