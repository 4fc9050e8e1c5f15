"""Frames from a ROS recording: a folder of rosbag2, an .mcap, .db3 or .bag file.

The topics are found by what their first images are; where a recording has several that fit, they are
named behind the file: `bag:walk,rgb=/camera/color/image_raw,depth=/camera/depth/image_raw`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..ros.encodings import colour_image, depth_image, grey_image, holds_metres
from ..ros.frames import GREY, Frames, contents_of
from ..ros.synchroniser import Synchroniser
from ..runtime.errors import InputError
from ..runtime.image_kind import METRES
from ..runtime.manifest import Manifest
from ..runtime.preprocess import Frame
from .source_files import UnitCheck
from .sources import Options, Source, need_argument

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
SLOP = 0.02  # seconds between the stamps of one view


def open_source(argument: str, manifest: Manifest, options: Options) -> Source:
    """Opens `bag:FILE` or `bag:FILE,MODALITY=TOPIC,...`.

    Raises:
        InputError: rosbags is not installed, the recording cannot be read, or its topics do not fit
            the artifact.
    """
    name, *chosen = need_argument(argument, "bag").split(",")
    path, scale = Path(name), options.depth_scale(METRES.unit_per_count)
    bag = _Bag(path)
    contents = contents_of(manifest)
    topics = _named(chosen, contents, bag, path)
    if len(topics) < len(contents):
        topics = {**topics, **_found(contents, topics, bag, path)}
    topics = {name: topics[name] for name in contents if name in topics}

    def start() -> Iterator[Frame]:
        return itertools.islice(
            _frames(bag, topics, contents, scale, manifest, [], options), options.count
        )

    notes: list[str] = []
    first = next(_frames(bag, topics, contents, scale, manifest, notes, options), None)
    if first is None:
        raise InputError(
            f"{path}: no images of {' and '.join(topics.values())} are within {SLOP:g} s of each "
            "other; name topics of one camera"
        )
    rate = options.rate or bag.rate(next(iter(topics.values())))
    return Source(f"bag:{argument}", start, rate=rate, note="; ".join(notes))


class _Bag:
    """A recording; what is wrong with it becomes an InputError."""

    def __init__(self, path: Path):
        try:
            from rosbags.highlevel import AnyReader, AnyReaderError
            from rosbags.typesys import Stores, get_typestore
        except ImportError:
            raise InputError(
                f"source bag:{path} needs rosbags, which is not installed: pip install rosbags"
            ) from None
        if not path.exists():
            raise InputError(f"{path}: no such recording")
        self._path, self._errors = path, (AnyReaderError, OSError, ValueError)
        # Recordings of before ROS 2 Iron do not hold their messages' definitions.
        self._reader = lambda: AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        self.topics: dict[str, int] = {}
        try:
            with self._reader() as reader:
                self._seconds = 1e-9 * reader.duration
                for connection in reader.connections:
                    if connection.msgtype in IMAGE_TYPES and connection.msgcount:
                        count = self.topics.get(connection.topic, 0)
                        self.topics[connection.topic] = count + connection.msgcount
        except self._errors as error:
            raise self._unreadable(error) from error

    def rate(self, topic: str) -> float:
        """Images a second of a topic."""
        rate = (self.topics[topic] - 1) / self._seconds if self._seconds > 0 else 0.0
        return min(rate, 120.0) if rate >= 1 else 30.0

    def messages(self, topics: Any) -> Iterator[tuple[str, float, Any]]:
        """(topic, seconds when it was recorded, message) in order.

        Raises:
            InputError: the recording is damaged.
        """
        try:
            with self._reader() as reader:
                wanted = [c for c in reader.connections if c.topic in topics]
                for connection, time, content in reader.messages(connections=wanted):
                    message = reader.deserialize(content, connection.msgtype)
                    yield connection.topic, 1e-9 * time, message
        except self._errors as error:
            if isinstance(error, InputError):
                raise
            raise self._unreadable(error) from error

    def __str__(self) -> str:
        return str(self._path)

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self._path}: not a whole recording ({error}); wanted a rosbag2 folder, an .mcap, .db3 or "
            ".bag file; `ros2 bag reindex` mends one that was cut short"
        )


def _named(chosen: list[str], contents: Mapping[str, str], bag: _Bag, path: Path) -> dict[str, str]:
    """The topics that the command line names."""
    topics = {}
    for text in chosen:
        name, _, topic = text.partition("=")
        if name not in contents or topic not in bag.topics:
            raise InputError(
                f"source bag: found {text!r}, wanted MODALITY=TOPIC with one of "
                f"{', '.join(contents)} and one of {', '.join(bag.topics) or 'no topic'} of {path}"
            )
        topics[name] = topic
    return topics


def _found(
    contents: Mapping[str, str], named: Mapping[str, str], bag: _Bag, path: Path
) -> dict[str, str]:
    """The topics, among those not named, whose images are what the artifact takes besides."""
    kinds: dict[str, list[str]] = {"image": [], "depth": [], GREY: []}
    for topic in bag.topics:
        if topic in named.values():
            continue
        _, _, message = next(bag.messages([topic]))
        for kind, read in (("depth", depth_image), ("image", colour_image)):
            try:
                read(message)
            except InputError:
                continue
            kinds[kind].append(topic)
            break
        try:
            grey_image(message)
        except InputError:
            continue
        kinds[GREY].append(topic)
    topics = {}
    known = "".join(f"{name}={topic}," for name, topic in named.items())
    for name, content in contents.items():
        if name in named:
            continue
        fitting = kinds[content]
        if named and not fitting:
            continue  # a recording of one camera of two: the demo says what is missing
        if len(fitting) != 1 or fitting[0] in topics.values():
            raise InputError(
                f"{path}: {len(fitting)} topics fit {name!r} ({', '.join(fitting) or 'images are on '}"
                f"{'' if fitting else ', '.join(bag.topics) or 'no topic'}); name it: "
                f"bag:{path},{known}{name}=TOPIC"
            )
        topics[name] = fitting[0]
    return topics


def _frames(
    bag: _Bag,
    topics: Mapping[str, str],
    contents: Mapping[str, str],
    scale: float,
    manifest: Manifest,
    notes: list[str],
    options: Options,
) -> Iterator[Frame]:
    """Views of the recording.

    Raises:
        InputError: an image cannot be read, or the depth is in another unit.
    """
    read = Frames(contents, scale, notes.append)
    synchroniser = Synchroniser(list(topics), SLOP)
    checks = {
        name: UnitCheck(scale, manifest, options, name)
        for name, content in contents.items()
        if content == "depth"
    }
    names = {topic: name for name, topic in topics.items()}
    for topic, time, message in bag.messages(names):
        stamp = message.header.stamp
        found = synchroniser.add(names[topic], stamp.sec + 1e-9 * stamp.nanosec, message, time)
        if found is None:
            continue
        frame = read(found, time)
        if frame is None or len(frame.images) < len(found):
            raise InputError(f"{bag}: {notes[-1]}")
        for name, image in frame.images.items():
            if name in checks:
                checks[name](image, f"{bag}, {topics[name]}", holds_metres(found[name][1]))
        yield frame
