"""Run an artifact as a ROS 2 node: images in, the class of every pixel out.

    python -m deploy.ros --artifact static_w8a8.tflite --rgb /camera/color/image_raw \\
        --depth /camera/aligned_depth_to_color/image_raw

Topics that end in /compressed or /compressedDepth are read as such. Published below the node's name
(/cen_keras): labels (mono8, with the colour image's header), labels/compressed, overlay, label_info;
and /diagnostics. Every option is a ROS parameter too: `--ros-args -p stream:=rgb -r __ns:=/robot1`;
stream may be changed while it runs.
"""

from __future__ import annotations

import argparse
import sys
from typing import Sequence

from ..runtime.console import GOOD, guarded
from . import node

ROS_ARGUMENTS = "--ros-args"


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, runs the node and gives its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    cut = given.index(ROS_ARGUMENTS) if ROS_ARGUMENTS in given else len(given)
    arguments = vars(_parser().parse_args(given[:cut]))

    def command() -> int:
        node.run(arguments, given[cut:])
        return GOOD

    return guarded(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.ros",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--artifact", default="", metavar="FILE", help="a .tflite or .onnx file")
    parser.add_argument("--rgb", default="", metavar="TOPIC", help="of colour images")
    parser.add_argument("--depth", default="", metavar="TOPIC", help="of depth, aligned to them")
    parser.add_argument(
        "--topic",
        dest="topics",
        action="append",
        default=[],
        metavar="MODALITY=TOPIC",
        help="of any other input; may be repeated",
    )
    parser.add_argument(
        "--stream", default="auto", help="the output to publish (default: auto, as for the demo)"
    )
    parser.add_argument("--engine", default="", metavar="NAME", help="as for the demo")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of the engine")
    parser.add_argument(
        "--rate", type=float, default=0.0, metavar="HZ", help="at most so many a second"
    )
    parser.add_argument(
        "--slop", type=float, default=0.02, metavar="S",
        help="by which the stamps of one view may differ (default: 0.02)",
    )  # fmt: skip
    parser.add_argument(
        "--depth-scale", type=float, default=0.001, metavar="M",
        help="metres per count of 16UC1 (default: 0.001)",
    )  # fmt: skip
    parser.add_argument(
        "--label-encoding", default="mono8", metavar="NAME", help="mono8 (default) or mono16"
    )
    parser.add_argument(
        "--network-size", action="store_true",
        help="labels at the network's size (default: the colour image's)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
