"""The node: parameters, subscriptions and the demo's pipeline between them and the publishers."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from pathlib import Path
from typing import Any, Iterator

from ..demo.capture import STALL_SECONDS
from ..demo.network import Choice, Network
from ..demo.pipeline import Pipeline
from ..demo.steady_memory import keep_freed_memory
from ..runtime.errors import InputError
from ..runtime.manifest import Manifest
from .frames import CheckedFrames
from .publishers import LABEL_TYPES, Diagnostics, Publisher, publish_classes
from .topics import Topics

NAME = "cen_keras"


def load_rclpy() -> Any:
    """ROS's library for Python.

    Raises:
        InputError: it is not installed.
    """
    try:
        import diagnostic_msgs.msg  # noqa: F401
        import rclpy
        import rclpy.signals  # from Humble on
        import sensor_msgs.msg  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"ROS 2, Humble or newer, is not there for this Python ({error}): source "
            "/opt/ros/DISTRO/setup.bash before, and use the Python that ROS was built for; or without a "
            "robot: pip install 'cen-keras[ros]'"
        ) from None
    return rclpy


def run(defaults: dict[str, Any], ros_arguments: list[str]) -> None:
    """Runs the node until it is interrupted or terminated.

    Args:
        defaults: parameters by name; ROS's own ways (`-p name:=value`, launch files) go before them.
        ros_arguments: what stands behind --ros-args.

    Raises:
        InputError: ROS is not installed, a parameter or the artifact does not hold.
        KeyboardInterrupt: interrupted or terminated; everything has been closed.
    """
    rclpy = load_rclpy()
    keep_freed_memory()
    # ROS's own handlers would pull the context away under the pipeline. SIGTERM, as launch files and
    # services send it, ends as Ctrl-C does.
    try:
        rclpy.init(args=ros_arguments, signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's own, of its compiled part
        raise InputError(f"--ros-args {' '.join(ros_arguments)}: {error}") from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        node = rclpy.create_node(NAME)
        try:
            _run(rclpy, node, _parameters(node, defaults))
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _run(rclpy: Any, node: Any, options: dict[str, Any]) -> None:
    log = node.get_logger()
    network = Network(
        Choice(Path(options["artifact"]), options["engine"] or None), options["threads"] or None
    )
    manifest = network.manifest
    topics_of = _topics(options, manifest)
    if network.translates:
        raise InputError(f"{options['artifact']}: is a translation; the node gives labels")
    frames = CheckedFrames(manifest, options["depth_scale"], log.warning)
    topics = Topics(
        topics_of, frames, log.warning, slop=options["slop"], rate=options["rate"] or None
    )
    publisher = Publisher(node, options["label_encoding"], options["network_size"], topics.close)
    pipeline = Pipeline(
        topics.source(),
        network,
        [publisher],
        log.warning,
        stream=options["stream"],
        live=True,
        threads=options["threads"] or None,
        # Frames that come as seldom as they are wanted are no stall.
        stall=max(STALL_SECONDS, 3 / options["rate"]) if options["rate"] else STALL_SECONDS,
    )
    kept = [
        publish_classes(node, manifest),
        Diagnostics(node, pipeline, publisher, lambda: topics.dropped),
        *_subscriptions(node, topics),
    ]
    node.add_on_set_parameters_callback(functools.partial(_changed, pipeline))
    log.info(
        f"{options['artifact']} on {network.runner.engine}; "
        + ", ".join(f"{name} from {topic}" for name, topic in topics_of.items())
    )
    with _spinning(rclpy, node):
        pipeline.run()
    kept.clear()


def _parameters(node: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """Declares the parameters; those of ROS go before the command line's.

    Raises:
        InputError: a value that cannot be.
    """
    options = {}
    for name, value in defaults.items():
        try:
            # The type of an empty list cannot be inferred.
            options[name] = node.declare_parameter(name, [""] if value == [] else value).value
        except Exception as error:  # rclpy has a class for each way a parameter can be wrong
            if type(error).__module__.split(".")[0] != "rclpy":
                raise
            raise InputError(f"parameter {name}: {error}") from error
    if not options["artifact"]:
        raise InputError("no artifact: give --artifact FILE, or -p artifact:=FILE")
    for name, least in (("threads", 0), ("rate", 0.0), ("slop", 0.0)):
        if options[name] < least:
            raise InputError(f"parameter {name} is {options[name]}, wanted {least} or more")
    if not 0 < options["depth_scale"] < float("inf"):
        raise InputError(
            f"parameter depth_scale is {options['depth_scale']}, wanted metres a count"
        )
    if options["label_encoding"] not in LABEL_TYPES:
        raise InputError(
            f"parameter label_encoding is {options['label_encoding']!r}, wanted one of "
            f"{', '.join(LABEL_TYPES)}"
        )
    return options


def _topics(options: dict[str, Any], manifest: Manifest) -> dict[str, str]:
    """The topic of each of the artifact's inputs, in its order.

    Raises:
        InputError: a topic for what is no input, or an input without one.
    """
    # ros2 launch takes no empty argument.
    own = ("rgb", "depth")
    given = {name: options[name] for name in own if options[name] not in ("", "none")}
    for text in filter(None, options["topics"]):
        name, _, topic = text.partition("=")
        if not name or not topic:
            raise InputError(f"--topic {text!r}: wanted MODALITY=TOPIC")
        given[name] = topic
    unknown = [name for name in given if name not in manifest.inputs]
    if unknown:
        launched = f" (ros2 launch: {unknown[0]}:=none)" if unknown[0] in own else ""
        raise InputError(
            f"{', '.join(unknown)}: the artifact takes {', '.join(manifest.inputs)} only; leave the "
            f"topic out{launched}"
        )
    without = [name for name in manifest.inputs if name not in given]
    if without:
        raise InputError(
            f"the artifact takes {', '.join(manifest.inputs)}: no topic for {', '.join(without)}; "
            "give --rgb, --depth or --topic MODALITY=TOPIC"
        )
    return {name: given[name] for name in manifest.inputs}


def _subscriptions(node: Any, topics: Topics) -> list[Any]:
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CompressedImage, Image

    made = []
    for modality, topic in topics.topics.items():
        compressed = topic.rstrip("/").rsplit("/", 1)[-1] in ("compressed", "compressedDepth")
        kind = CompressedImage if compressed else Image
        take = functools.partial(topics.take, modality)
        made.append(node.create_subscription(kind, topic, take, qos_profile_sensor_data))
    return made


def _changed(pipeline: Pipeline, parameters: Any) -> Any:
    """The output may be changed while the node runs, nothing else."""
    from rcl_interfaces.msg import SetParametersResult

    for parameter in parameters:
        if parameter.name != "stream":
            return SetParametersResult(successful=False, reason="start the node again for this one")
        try:
            pipeline.network.stream(parameter.value, ())
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        pipeline.stream = parameter.value
    return SetParametersResult(successful=True)


@contextlib.contextmanager
def _spinning(rclpy: Any, node: Any) -> Iterator[None]:
    """Serves the node's callbacks in a thread of its own."""
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name="ros", daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join(5)
