"""Doubles of cameras' libraries: the calls that pyorbbecsdk 2.1, depthai 3.12 and pyk4a 1.5 have, as far as
they are used; any other is an AttributeError. Each gives three views and is then unplugged.
"""

import itertools
from types import SimpleNamespace

import numpy as np

HEIGHT, WIDTH, VIEWS = 24, 32, 3
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
COUNTS = np.random.default_rng(1).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)


class Strict:
    """An object with some attributes and no others."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Log(list):
    """What was called, in order."""


def orbbec(depth_scale=0.5, lost=False):
    """pyorbbecsdk; depth in counts of `depth_scale` millimetres."""
    log = Log()

    class OBError(Exception):
        pass

    def frame(array, **more):
        return Strict(
            get_height=lambda: HEIGHT, get_width=lambda: WIDTH, get_data=array.tobytes, **more
        )

    class ColourFrame:
        def get_height(self):
            return HEIGHT

        def get_width(self):
            return WIDTH

        def get_data(self):
            return RGB.ravel().copy()

    class Profiles:
        def __init__(self, sensor):
            self.sensor = sensor

        def get_video_stream_profile(self, width, height, form, rate):
            return ("colour", width, height, form, rate)

        def get_default_video_stream_profile(self):
            return (self.sensor,)

    class Config:
        def enable_stream(self, profile):
            log.append(("stream", profile))

    class Pipeline:
        def __init__(self, device=None):
            log.append(("device", device))
            self.left = VIEWS

        def get_stream_profile_list(self, sensor):
            return Profiles(sensor)

        def enable_frame_sync(self):
            log.append("sync")

        def start(self, config):
            assert isinstance(config, Config)
            if lost:
                raise OBError("no device")
            log.append("start")

        def wait_for_frames(self, milliseconds):
            self.left -= 1
            return "frames" if self.left >= 0 else None

        def stop(self):
            log.append("stop")

    class AlignFilter:
        def __init__(self, align_to_stream):
            assert align_to_stream == "colour stream"

        def process(self, frames):
            depth = frame(COUNTS, get_depth_scale=lambda: depth_scale)
            found = Strict(get_color_frame=ColourFrame, get_depth_frame=lambda: depth)
            return Strict(as_frame_set=lambda: found)

    devices = Strict(get_device_by_serial_number=lambda serial: f"device {serial}")
    return Strict(
        log=log,
        OBError=OBError,
        Pipeline=Pipeline,
        Config=Config,
        AlignFilter=AlignFilter,
        Context=lambda: Strict(query_devices=lambda: devices),
        OBSensorType=Strict(COLOR_SENSOR="colour sensor", DEPTH_SENSOR="depth sensor"),
        OBFormat=Strict(RGB="RGB"),
        OBStreamType=Strict(COLOR_STREAM="colour stream"),
    )


def oak(lost=False, late=0, blind=False):
    """depthai 3; depth in millimetres.

    Args:
        lost: it does not start.
        late: views that are over before the stereo's first; then both images grow by one from view to
            view, so that one sees which of them belong together.
        blind: the stereo sensors give nothing.
    """
    log = Log()

    def images(first, image):
        """(seconds, message) of every view from one on."""
        kind = image.dtype.type
        return [
            (view / 30, Strict(getFrame=(image + kind(view if late else 0)).copy))
            for view in range(first, late + VIEWS)
        ]

    class Queue:
        def __init__(self, messages):
            self._messages = list(messages)

        def get(self, timeout):
            assert timeout.total_seconds() == 2
            return self.tryGet()

        def tryGet(self):
            return self._messages.pop(0) if self._messages else None

    class Output:
        def __init__(self, images):
            self._images = images

        def createOutputQueue(self, maxSize, blocking):
            assert (maxSize, blocking) == (1, False)
            return Queue(message for _, message in self._images)

        def link(self, side):
            if isinstance(side, Input):
                side.images = self._images
            log.append(("link", side))

    class Input:
        images = ()

    class Inputs:
        def __init__(self):
            self.made = {}

        def __getitem__(self, name):
            return self.made.setdefault(name, Input())

    class Group:
        def __init__(self, messages):
            self._messages = messages

        def __getitem__(self, name):
            return self._messages[name]

    class Sync:
        def __init__(self):
            self.inputs = Inputs()

        def setSyncThreshold(self, threshold):
            self._most = threshold.total_seconds()

        @property
        def out(self):
            names, streams = zip(*self.inputs.made.items(), strict=True)
            groups = [
                (
                    a[0],
                    Group({name: message for name, (_, message) in zip(names, pair, strict=True)}),
                )
                for pair in itertools.product(*(stream.images for stream in streams))
                for a, b in [pair]
                if abs(a[0] - b[0]) <= self._most
            ]
            return Output(groups)

    class Camera:
        def build(self, socket):
            self._socket = socket
            return self

        def requestOutput(self, size, type=None, fps=None):
            log.append(("output", self._socket, size, type, fps))
            return Output(images(0, RGB))

    class StereoDepth:
        # A twentieth of a period after the colours.
        left, right = "left", "right"
        depth = Output(
            [] if blind else [(time + 1 / 600, image) for time, image in images(late, COUNTS)]
        )
        initialConfig = Strict(setDepthUnit=lambda unit: log.append(("unit", unit)))

        def setDepthAlign(self, socket):
            log.append(("align", socket))

        def setOutputSize(self, width, height):
            log.append(("size", width, height))

    class Pipeline:
        def __init__(self, device):
            self._device = device

        def create(self, kind):
            return kind()

        def start(self):
            if lost:
                raise RuntimeError("no device")
            log.append("start")

        def isRunning(self):
            return True

        def stop(self):
            log.append("stop")

    def device(info=None):
        log.append(("device", info))

    return Strict(
        log=log,
        Device=device,
        DeviceInfo=lambda identifier: f"info {identifier}",
        Pipeline=Pipeline,
        CameraBoardSocket=Strict(CAM_A="A", CAM_B="B", CAM_C="C"),
        ImgFrame=Strict(Type=Strict(RGB888i="RGB888i")),
        LengthUnit=Strict(MILLIMETER="mm"),
        node=Strict(Camera=Camera, StereoDepth=StereoDepth, Sync=Sync),
    )


def kinect(lost=False):
    """pyk4a; depth in millimetres."""
    log = Log()

    class K4AException(Exception):
        pass

    class Timeout(K4AException):
        pass

    class PyK4A:
        def __init__(self, config, device_id):
            log.append(("device", device_id))
            log.append(("rate", config.camera_fps))
            self._left = VIEWS

        def start(self):
            if lost:
                raise K4AException("no device")
            log.append("start")

        def get_capture(self, timeout):
            assert timeout == 2000
            self._left -= 1
            if self._left < 0:
                raise Timeout
            bgra = np.concatenate([RGB[..., ::-1], np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], -1)
            return Strict(color=bgra, transformed_depth=COUNTS)

        def stop(self):
            log.append("stop")

    def config(**options):
        assert options["synchronized_images_only"]
        return SimpleNamespace(**options)

    return Strict(
        log=log,
        K4AException=K4AException,
        PyK4A=PyK4A,
        Config=config,
        ColorResolution=Strict(RES_720P="720p"),
        ImageFormat=Strict(COLOR_BGRA32="BGRA"),
        DepthMode=Strict(NFOV_UNBINNED="narrow"),
        FPS=Strict(FPS_5=5, FPS_15=15, FPS_30=30),
    )
