"""A depth camera on ROS topics and a listener to the labels of `deploy.ros`: for `ros`.

rclpy is imported when used; it has to be initialised.
"""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

RGB, DEPTH, LABELS = "/camera/color", "/camera/depth", "/cen_keras/labels"


class CameraTopics:
    """Publishes pairs under one stamp each, and keeps how long each pair's labels took.

    Use it as a context manager.

    Args:
        views: (uint8 (h, w, 3), uint16 millimetres (h, w)), shown in turn.

    Attributes:
        published: pairs so far.
        latencies: in order of arrival, the number of a pair, and seconds from its publication to its labels' arrival.
    """

    def __init__(self, views: Sequence[tuple[np.ndarray, np.ndarray]]):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image

        self.published = 0
        self.latencies: list[tuple[int, float]] = []
        self._sent: dict[tuple[int, int], tuple[int, float]] = {}
        self._views = [
            (_message(Image, rgb, "rgb8"), _message(Image, depth, "16UC1")) for rgb, depth in views
        ]
        self._node = rclpy.create_node("camera")
        self._publishers = [
            self._node.create_publisher(Image, topic, qos_profile_sensor_data)
            for topic in (RGB, DEPTH)
        ]
        self._node.create_subscription(Image, LABELS, self._labelled, qos_profile_sensor_data)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)

    def publish(self) -> None:
        """Publishes the next pair."""
        stamp = self._node.get_clock().now().to_msg()
        # Noted before: the labels may be here before `publish` returns.
        self._sent[stamp.sec, stamp.nanosec] = self.published, time.monotonic()
        pair = self._views[self.published % len(self._views)]
        for publisher, message in zip(self._publishers, pair, strict=True):
            message.header.stamp = stamp
            publisher.publish(message)
        self.published += 1

    def __enter__(self) -> CameraTopics:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._executor.shutdown()
        self._thread.join(5)
        self._node.destroy_node()

    def _labelled(self, labels: Any) -> None:
        stamp = labels.header.stamp
        number, sent = self._sent.pop((stamp.sec, stamp.nanosec), (None, 0.0))
        if number is not None:
            self.latencies.append((number, time.monotonic() - sent))


def _message(kind: Any, image: np.ndarray, encoding: str) -> Any:
    message = kind(height=image.shape[0], width=image.shape[1], encoding=encoding)
    message.header.frame_id = "camera"
    message.step = image.nbytes // image.shape[0]
    message.data = array.array("B", image.tobytes())
    return message
