"""The hour of the demo: terminals, what counts as good, and a short run of the real thing."""

import io
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from deploy.benchmarks import endurance
from deploy.benchmarks.dropping_camera import DroppingCamera
from deploy.benchmarks.terminal import Terminal
from deploy.runtime.errors import InputError

WAITS = """
import time
try:
    print("ready at 7")  # An interrupt may follow at once.
    time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(5)
"""


@pytest.fixture
def terminal(request):
    found = Terminal([sys.executable, "-c", request.param], "the program")
    yield found
    found.kill()


@pytest.mark.parametrize("terminal", [WAITS], indirect=True)
def test_a_typed_ctrl_c_interrupts(terminal):
    assert terminal.wait_for(re.compile(rb"ready at (\d)"), 30) == b"7"
    memory = terminal.memory()
    # Python alone takes some megabytes; none of its programs of two lines takes a hundred.
    assert 1 < memory.own < memory.resident <= memory.peak < 100
    assert terminal.poll() is None
    terminal.type(b"\x03")
    assert terminal.wait(30) == 5
    with pytest.raises(InputError, match="the program ended"):
        terminal.memory()


@pytest.mark.parametrize("terminal", ["raise SystemExit('no camera')"], indirect=True)
def test_a_command_that_gives_up_is_reported_with_its_last_words(terminal):
    with pytest.raises(InputError, match="the program did not get ready: no camera"):
        terminal.wait_for(re.compile(rb"(ready)"), 30)


@pytest.mark.parametrize("terminal", [WAITS], indirect=True)
def test_waiting_ends(terminal):
    terminal.wait_for(re.compile(rb"(ready)"), 30)
    with pytest.raises(InputError, match="did not get ready: ready at 7"):
        terminal.wait_for(re.compile(rb"(steady)"), 0.1)
    with pytest.raises(InputError, match="did not end within 0.1 s"):
        terminal.wait(0.1)


def test_what_cannot_be_started_ends_at_once():
    terminal = Terminal(["/nowhere/python"])
    assert terminal.wait(30) == 127
    terminal.kill()


@pytest.mark.parametrize("terminal", [WAITS], indirect=True)
def test_what_is_killed_has_ended(terminal):
    terminal.kill()
    assert terminal.poll() == -signal.SIGKILL
    terminal._end = os.open(os.devnull, os.O_RDONLY)  # for the fixture to close


GOOD = {
    "minutes": 2,
    "settled_s": 60.0,
    "resident_mb": {"first": 100.0, "least": 100.0, "most": 104.9, "last": 104.0},
    "own_mb": {"first": 70.0, "least": 69.0, "most": 73.9, "last": 73.0},
    "moved_mb": 4.9,
    "grown_mb": 4.9,
    "frames": 470,
    "viewers": 2,
    "exchanges": 1,
    "drops": 0,
    "client_bytes": 10**7,
    "exit_code": 130,
    "ends_within_s": 0.2,
    "failed": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"moved_mb": 5.1},
        {"grown_mb": 5.1},
        {"moved_mb": None, "grown_mb": None, "resident_mb": None, "own_mb": None},
        {"exit_code": -9},
        {"frames": 0},
        {"frames": 200},
        {"client_bytes": 0},
        {"exchanges": 0},
        {"failed": "the demo ended before its time"},
    ],
)
def test_what_is_not_good(change):
    assert endurance.good({"endurance": GOOD})
    assert not endurance.good({"endurance": GOOD | change})
    assert endurance.line({"endurance": GOOD | change})


def test_too_short_a_time_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(InputError, match="1 minutes are too short"):
        endurance.measure(tmp_path, print, minutes=1)
    assert not list(tmp_path.iterdir())


def test_a_camera_that_goes_away_comes_back():
    pictures = [np.full((8, 8, 3), value, np.uint8) for value in (0, 255)]
    with DroppingCamera(pictures, rate=50, up=0.3, down=0.3) as camera:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        content = opener.open(camera.url, timeout=10).read()
        parts = content.split(b"--frame\r\n")[1:]
        values = [
            np.array(Image.open(io.BytesIO(part.split(b"\r\n\r\n", 1)[1]))).mean() for part in parts
        ]
        # 15 pictures on a quiet machine; JPEG keeps one colour to a level or two.
        assert 2 <= len(values) <= 16
        np.testing.assert_allclose(values, np.resize([0, 255], len(values)), atol=2)
        assert camera.drops == 1
        with pytest.raises(urllib.error.HTTPError, match="503"):
            opener.open(camera.url, timeout=10)
        time.sleep(0.35)
        assert opener.open(camera.url, timeout=10).read(7) == b"--frame"


# Stands in for the demo: serves a stream and behaves in one of several ways.
DEMO = """
import http.server, json, sys, threading, time, os
way, report = sys.argv[1], sys.argv[sys.argv.index("--json") + 1]
assert "CEN_DEMO_TOKEN" not in os.environ
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"picture")
            time.sleep(0.1)
            if way == "closes":
                return
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"live page: http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
try:
    time.sleep(1 if way == "dies" else 100)
except KeyboardInterrupt:
    if way == "hangs":
        time.sleep(100)
    if way == "ends":
        open(report, "w").write(json.dumps({"frames": 50, "dropped": 0}))
    os._exit(130)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts the program above in the demo's place; returns what runs it and gives the figures."""
    (tmp_path / "demo.py").write_text(DEMO)
    monkeypatch.setattr(
        endurance, "export", lambda *a: (tmp_path / "endurance").mkdir(exist_ok=True)
    )
    monkeypatch.setattr(endurance, "_copy", lambda artifact: artifact)
    monkeypatch.setattr(endurance, "_pictures", lambda: [np.zeros((8, 8, 3), np.uint8)])
    monkeypatch.setattr(endurance, "INTERVAL", 0.2)
    monkeypatch.setenv("CEN_DEMO_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    def run(way):
        monkeypatch.setattr(endurance, "_DEPLOY", (sys.executable, str(tmp_path / "demo.py"), way))
        return endurance.measure(tmp_path, lambda text: None, minutes=0.06, settled=0.5)[
            "endurance"
        ]

    return run


def test_a_demo_that_ends_in_good_order(stand_in, tmp_path):
    found = stand_in("ends")
    assert (found["exit_code"], found["failed"], found["frames"]) == (130, None, 50)
    assert found["client_bytes"] >= 7 and endurance.good({"endurance": found})
    assert len((tmp_path / "demo_memory.csv").read_text().splitlines()) > 3


@pytest.mark.parametrize(
    ("way", "failed"),
    [
        ("dies", r"the demo ended before its time|the stream ended after \d s"),
        ("closes", r"the stream ended after \d s of 4"),
        ("hangs", "the demo did not end within 1 s"),
    ],
)
def test_a_demo_that_fails_leaves_its_memory_and_is_not_good(
    way, failed, stand_in, tmp_path, monkeypatch
):
    if way == "hangs":
        monkeypatch.setattr(endurance, "_ENDS_WITHIN", 1.0)
    found = stand_in(way)
    assert re.match(failed, found["failed"]), found["failed"]
    assert found["frames"] == 0 and not endurance.good({"endurance": found})
    assert len((tmp_path / "demo_memory.csv").read_text().splitlines()) > 1


def test_the_figures_of_an_earlier_run_are_not_taken_for_this_ones(stand_in, tmp_path):
    (tmp_path / "endurance").mkdir()
    (tmp_path / "endurance" / "demo.json").write_text('{"frames": 50, "dropped": 0}')
    found = stand_in("silent")
    assert found["exit_code"] == 130 and found["frames"] == 0
    assert not endurance.good({"endurance": found})


@pytest.mark.slow
def test_a_short_run_of_the_real_thing(tmp_path, monkeypatch):
    messages = []
    for name, seconds in {"EXCHANGE": 6.0, "UP": 7.0, "DOWN": 1.0}.items():
        monkeypatch.setattr(endurance, name, seconds)
    found = endurance.measure(tmp_path, messages.append, minutes=0.3, settled=5)
    figures = found["endurance"]
    assert figures["exit_code"] == 130
    # 18 seconds of 4 frames a second on a machine that may be busy, some kilobytes each.
    assert 10 <= figures["frames"] <= 18 * endurance.RATE + 12
    assert (figures["viewers"], figures["drops"]) == (2, 2) and figures["exchanges"] >= 1
    assert figures["client_bytes"] > 10_000 * figures["frames"] / 2
    rows = (tmp_path / "demo_memory.csv").read_text().splitlines()
    assert rows[0] == "seconds,resident_mb,own_mb,peak_mb" and len(rows) == 5
    after = [row.split(",") for row in rows[1:] if int(row.split(",")[0]) >= 5]
    resident, own = ([float(row[column]) for row in after] for column in (1, 2))
    # Of a tenth of a megabyte each.
    assert figures["moved_mb"] == pytest.approx(max(own) - min(own), abs=0.11)
    assert figures["grown_mb"] == pytest.approx(max(resident) - resident[0], abs=0.11)
    assert f"{figures['frames']} frames in 0.3 minutes" in endurance.line(found)
