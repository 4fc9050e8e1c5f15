"""The node under the name that `ros2 run cen_keras_ros segmentation` looks for."""

from __future__ import annotations


def main() -> int:
    """See `python -m deploy.ros --help`."""
    from deploy.ros.__main__ import main as node

    return node()
