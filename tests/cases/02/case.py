"""Thermal pictures of one channel, of every dtype, through training, export, verify and int8."""

import sys

import common
import thermal

RUN = thermal.W / "run"
# One process for all kinds, and few steps: the pictures are what mattered.
for kind in sys.argv[1:]:
    print("=== thermal as", kind, flush=True)
    run = RUN.with_name(f"run_{kind}")
    thermal.train(run, kind, epoch_steps=3)
    common.deploy("export", run)
    common.deploy("verify", run / "tflite/fp32.tflite", "--max-drop", "100")
    common.deploy("export", run, "--scheme", "static_w8a8")
