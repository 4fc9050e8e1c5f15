"""What the node says: label images, overlays, the classes' names and how it is going."""

from __future__ import annotations

import array
import io
import json
import threading
import time
from collections import deque
from typing import Any, Callable

import numpy as np
from PIL import Image as Picture

from ..demo.network import Result
from ..demo.pipeline import Pipeline, Sink
from ..runtime.manifest import Manifest
from ..runtime.pictures import colorize, overlay
from ..runtime.preprocess import resize_nearest
from .encodings import fill_image

LABEL_TYPES = {"mono8": np.uint8, "mono16": np.uint16}
KEPT = 300  # latencies, ten seconds at 30 frames a second


class Publisher(Sink):
    """Publishes results; what nobody listens to is not even drawn.

    Args:
        node: a rclpy node; topics are below its name.
        label_encoding: a key of LABEL_TYPES.
        network_size: leave labels at the network's size instead of the colour image's.
        closed: called once when nothing more will come.
    """

    name = "ROS"

    def __init__(
        self, node: Any, label_encoding: str, network_size: bool, closed: Callable[[], None]
    ):
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import CompressedImage, Image

        self._image, self._compressed = Image, CompressedImage
        self._encoding, self._network_size, self._closed = label_encoding, network_size, closed
        # Reliable, which readers of both kinds can connect to; short, since only the newest counts.
        newest = QoSProfile(depth=2)
        self._labels = node.create_publisher(Image, "~/labels", newest)
        self._overlay = node.create_publisher(Image, "~/overlay", newest)
        self._png = node.create_publisher(CompressedImage, "~/labels/compressed", newest)
        self._lock = threading.Lock()
        self._latencies: deque = deque(maxlen=KEPT)

    def show(self, result: Result) -> None:
        """Publishes one result under the header of its image."""
        frame: Any = result.frame
        height, width = next(iter(frame.images.values())).shape[:2]
        if self._network_size:
            height, width = result.classes.shape
        classes = resize_nearest(result.classes, height, width)
        labels = classes.astype(LABEL_TYPES[self._encoding], copy=False)
        message = fill_image(self._image(header=frame.header), labels, self._encoding)
        self._labels.publish(message)
        with self._lock:
            self._latencies.append(time.monotonic() - frame.arrived)
        if self._png.get_subscription_count():
            message = self._compressed(header=frame.header, format=f"{self._encoding}; png")
            message.data = array.array("B", _png(labels))
            self._png.publish(message)
        if self._overlay.get_subscription_count():
            picture = (
                _overlay(result, *frame.images["rgb"].shape[:2])
                if "rgb" in frame.images
                else (colorize(classes, result.manifest.palette))
            )
            self._overlay.publish(fill_image(self._image(header=frame.header), picture, "rgb8"))

    def close(self, whole: bool) -> None:
        """Nothing more will come."""
        self._closed()

    def latency(self, percentile: float) -> float | None:
        """Milliseconds from the arrival of the last image of a set to the publication of its labels,
        over the last ten seconds or so; None before the first.
        """
        with self._lock:
            seconds = list(self._latencies)
        return 1e3 * float(np.percentile(seconds, percentile)) if seconds else None


def publish_classes(node: Any, manifest: Manifest) -> Any:
    """Says once, to whoever comes whenever, which class each label is: vision_msgs/LabelInfo where it is
    installed, otherwise the same as JSON in a std_msgs/String.

    Returns:
        The publisher, to be kept.
    """
    from rclpy.qos import DurabilityPolicy, QoSProfile

    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    try:
        from vision_msgs.msg import LabelInfo, VisionClass
    except ImportError:
        from std_msgs.msg import String

        publisher = node.create_publisher(String, "~/label_info", kept)
        names = [{"class_id": i, "class_name": name} for i, name in enumerate(manifest.classes)]
        palette = [list(colour) for colour in manifest.palette]
        publisher.publish(String(data=json.dumps({"class_map": names, "palette": palette})))
        return publisher
    publisher = node.create_publisher(LabelInfo, "~/label_info", kept)
    message = LabelInfo()
    message.header.stamp = node.get_clock().now().to_msg()
    message.class_map = [
        VisionClass(class_id=i, class_name=name) for i, name in enumerate(manifest.classes)
    ]
    publisher.publish(message)
    return publisher


class Diagnostics:
    """Tells /diagnostics once a second how it is going.

    Args:
        node: a rclpy node.
        pipeline: at work.
        publisher: whose latency is reported.
        dropped: sets of images that were dropped before they were read.
    """

    def __init__(
        self, node: Any, pipeline: Pipeline, publisher: Publisher, dropped: Callable[[], int]
    ):
        from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

        self._node, self._pipeline = node, pipeline
        self._labels, self._dropped = publisher, dropped
        self._types = DiagnosticArray, DiagnosticStatus, KeyValue
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._timer = node.create_timer(1.0, self._publish)

    def _publish(self) -> None:
        array_type, status_type, pair_type = self._types
        pipeline = self._pipeline
        level, text = status_type.OK, pipeline.status
        if pipeline.status in ("starting", "stalled"):
            level, text = status_type.ERROR, "no images"
        elif pipeline.watch.missing:
            level, text = status_type.WARN, f"missing: {', '.join(pipeline.watch.missing)}"
        p95 = self._labels.latency(95)
        infer = pipeline.statistics.summary().get("infer")
        values = {
            "fps": f"{pipeline.statistics.fps():.1f}",
            "frames": str(pipeline.statistics.counted("seen")),
            "dropped": str(self._dropped() + pipeline.dropped["network"]),
            "latency_p95_ms": "" if p95 is None else f"{p95:.1f}",
            "inference_p95_ms": "" if infer is None else f"{infer['p95']:.1f}",
            "engine": pipeline.network.runner.engine,
            "artifact": str(pipeline.network.choice.artifact),
            "output": pipeline.network.stream(pipeline.stream, pipeline.watch.missing),
        }
        status = status_type(
            level=level, name=f"{self._node.get_name()}: segmentation", message=text,
            values=[pair_type(key=key, value=value) for key, value in values.items()],
        )  # fmt: skip
        message = array_type(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def _png(labels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Picture.fromarray(labels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _overlay(result: Result, height: int, width: int) -> np.ndarray:
    colours = colorize(resize_nearest(result.classes, height, width), result.manifest.palette)
    return overlay(result.frame.images["rgb"], colours)
