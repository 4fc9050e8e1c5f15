"""ONNX export at sizes whose feature maps are no whole multiples of each other, in one process."""

import os
from pathlib import Path

import common

for size in ("480x640", "360x640", "540x960", "1080x1440", "427x561", "530x730"):
    options = ("--target", "onnx", "--image-shape", size, "--out", Path(os.environ["W"]) / "o")
    common.deploy("export", "preset:cen_edge_s_rooms", *options)
