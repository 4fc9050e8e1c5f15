"""Starts the node.

ros2 launch cen_keras_ros segmentation.launch.py artifact:=/models/static_w8a8.tflite
"""

from typing import List

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

# Name, type, default, what it is.
ARGUMENTS = (
    ("artifact", str, None, "a .tflite or .onnx file with its manifest beside it"),
    ("rgb", str, "/camera/color/image_raw", "topic of the colour images"),
    (
        "depth",
        str,
        "/camera/aligned_depth_to_color/image_raw",
        "topic of the depth, aligned to them; none for an artifact of colours alone",
    ),
    ("topics", List[str], "['']", "of any other input: \"['thermal=/thermal/image_raw']\""),
    ("stream", str, "auto", "the output to publish"),
    ("engine", str, "", "of the artifact; its usual one where empty"),
    ("threads", int, "0", "of the engine; 0 = as it likes"),
    ("rate", float, "0.0", "at most so many a second; 0 = all"),
    ("slop", float, "0.02", "seconds by which the stamps of one view may differ"),
    ("depth_scale", float, "0.001", "metres per count of 16UC1"),
    ("label_encoding", str, "mono8", "of the labels: mono8 or mono16"),
    ("network_size", bool, "false", "labels at the network's size, not the colour image's"),
)


def generate_launch_description():
    """The node with its parameters."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, _, default, text in ARGUMENTS
    ]
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind, _, _ in ARGUMENTS
    }
    node = Node(
        package="cen_keras_ros",
        executable="segmentation",
        name="cen_keras",
        output="screen",
        parameters=[parameters],
        respawn=True,
        respawn_delay=5.0,
    )
    return LaunchDescription([*declared, node])
