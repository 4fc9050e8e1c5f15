"""The live page's server serves what it should and refuses the rest."""

import http.client
import io
import json
import socket
import threading
import time
from email.message import Message

import numpy as np
import pytest
from PIL import Image

from deploy.demo.access import Access, is_loopback, parse_address
from deploy.demo.live import Live
from deploy.demo.network import Choice, Network, choices
from deploy.demo.pipeline import Pipeline
from deploy.demo.server import MOST_BODY, LiveServer
from deploy.demo.sources import Source
from deploy.demo.view import Panels, jpeg, shares
from deploy.runtime.errors import InputError
from deploy.runtime.preprocess import Frame

TOKEN = "0123456789abcdefXYZ"


def scene(count=10**9):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
    depth = np.full((48, 64), 2.0, np.float32)
    for index in range(count):
        yield Frame(f"f{index}", {"rgb": np.roll(rgb, index, 1), "depth": depth})


class Running:
    """A pipeline with its page, on a free port."""

    def __init__(self, artifact, frames=scene, **options):
        network = Network(Choice(artifact))
        self.live = Live(choices(network.choice, []))
        source = Source("scene", frames, rate=200.0)
        self.pipeline = Pipeline(
            source, network, [self.live], self.live.say, stream="auto", live=True
        )
        self.live.pipeline = self.pipeline
        self.server = LiveServer(("127.0.0.1", 0), self.live, **options)
        self.port = self.server.server_address[1]
        self.server.start()
        self._thread = threading.Thread(target=self.pipeline.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + 20
        while self.live.state()["frame"] == 0 and time.monotonic() < end:
            time.sleep(0.01)

    def stop(self):
        self.pipeline.stop()
        self._thread.join(20)
        self.server.stop()

    def ask(self, path, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        content = response.read(1 << 24)  # a stream that should have been refused has no end
        connection.close()
        return response, content

    def post(self, wanted, **headers):
        body = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self.ask("/choose", "POST", body, **headers)

    def raw(self, request, limit=65536):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            parts = []
            while sum(map(len, parts)) < limit:
                part = connection.recv(65536)
                if not part:
                    break
                parts.append(part)
        return b"".join(parts)


@pytest.fixture(scope="module")
def running(artifacts):
    made = Running(artifacts["int8"], names=["Jetson.lan"])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def guarded(artifacts):
    made = Running(artifacts["int8"], token=TOKEN)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def impatient(artifacts):
    """Drops after a second; for nothing else, since a busy machine may take that for an answer."""
    made = Running(artifacts["int8"], patience=1.0)
    yield made
    made.stop()


def until(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_the_page_loads_nothing_from_elsewhere(running):
    response, content = running.ask("/")
    text = content.decode()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 2
    assert "unsafe" not in policy
    # The only address in it is the name space of the icon's SVG, which is no request.
    assert text.replace("http://www.w3.org/2000/svg", "").count("://") == 0
    assert response.headers["X-Frame-Options"] == "DENY"


def test_state_has_all_figures(running):
    until(lambda: json.loads(running.ask("/state.json")[1])["frame"] > 10)
    state = json.loads(running.ask("/state.json")[1])
    assert state["status"] == "running" and state["fps"] > 0 and state["missing"] == []
    assert [s["name"] for s in state["stages"]] == ["capture", "pre", "infer", "post", "draw"]
    assert all(0 <= s["p50"] <= s["p95"] for s in state["stages"])
    assert len(state["classes"]) == 13
    assert sum(c["share"] for c in state["classes"]) == pytest.approx(1)  # float64 sum of 13
    assert state["choices"] == ["static_w8a8.tflite", "fp32.tflite"]
    assert state["streams"] == ["auto", "rgb", "depth", "ensemble"]


def read_pictures(port, layout, count, **headers):
    """Reads parts of the stream as any player would; the response, which holds the connection, too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", f"/stream.mjpg?layout={layout}", headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    found = []
    for _ in range(count):
        assert response.fp.readline() == b"--frame\r\n"
        assert response.fp.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(response.fp.readline().split(b":")[1])
        assert response.fp.readline() == b"\r\n"
        image = Image.open(io.BytesIO(response.fp.read(length)))
        image.load()
        found.append(image)
        assert response.fp.readline() == b"\r\n"
    return response, found


@pytest.mark.parametrize(("layout", "size"), [("row", (960, 240)), ("column", (320, 720))])
def test_the_stream_is_mjpeg(running, layout, size):
    response, found = read_pictures(running.port, layout, 5)
    # 48x64 enlarged five times, to the least height of 240; three of them.
    assert [image.size for image in found] == [size] * 5
    assert len({image.tobytes() for image in found}) == 5, "the scene moves"
    response.close()
    until(lambda: not any(running.live._viewers.values()))


def test_pictures_are_drawn_only_for_viewers(running):
    until(lambda: not any(running.live._viewers.values()))
    # A picture that was under way when the last viewer left may still come.
    frame = running.live.state()["frame"]
    until(lambda: running.live.state()["frame"] > frame + 3)
    before = {k: v[0] for k, v in running.live._pictures.items()}
    frame = running.live.state()["frame"]
    until(lambda: running.live.state()["frame"] > frame + 20)
    assert {k: v[0] for k, v in running.live._pictures.items()} == before


def test_a_snapshot_is_a_png(running):
    response, content = running.ask("/snapshot.png")
    assert response.status == 200 and response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="f')
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "PNG" and image.width > 4 * 240


def test_choices(running):
    for stream in ("depth", "auto"):
        assert running.post({"stream": stream})[0].status == 200
        shown = "ensemble" if stream == "auto" else stream
        until(lambda shown=shown: running.live.state()["shown"] == shown)
    assert running.post({"artifact": 1})[0].status == 200
    until(lambda: running.live.state()["scheme"] == "fp32")
    assert running.live.state()["choice"] == 1
    assert running.post({"artifact": 0})[0].status == 200
    until(lambda: running.live.state()["scheme"] == "static_w8a8")


@pytest.mark.parametrize(
    "wanted",
    [{}, [], 3, {"artifact": 2}, {"artifact": -1}, {"artifact": True}, {"artifact": "../x"}]
    + [{"stream": "infrared"}, {"stream": ["rgb"]}, {"stream": "rgb", "artifact": 0}]
    + [b"{", b"\xff", b"[" * 1000],
)
def test_choices_that_are_none(running, wanted):
    response, content = running.post(wanted)
    assert response.status == 400 and response.headers["Content-Type"].startswith("text/plain")
    assert b"Traceback" not in content


PATHS = ["/../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/stream.mjpg/", "/favicon.ico"]
PATHS += ["/static_w8a8.tflite", "/state.json/../x", "/%00", "/live.html", "/index.html"]


@pytest.mark.parametrize("path", PATHS)
def test_unknown_paths(running, path):
    response, content = running.ask(path)
    assert response.status == 404 and content == b"unknown path\n"
    assert running.ask(path, "HEAD")[0].status == 404
    assert running.ask(path, "POST", b"{}", Content_Type="application/json")[0].status == 404


def test_large_and_odd_requests(running):
    host = f"Host: 127.0.0.1:{running.port}\r\n".encode()
    assert running.post(b" " * (MOST_BODY + 1))[0].status == 413
    head = b"POST /choose HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    assert running.raw(head + b"\r\n").startswith(b"HTTP/1.0 411")
    assert running.raw(head + b"Transfer-Encoding: chunked\r\n\r\n").startswith(b"HTTP/1.0 411")
    assert b" 413 " in running.raw(head + b"Content-Length: 99999999999\r\n\r\n")
    assert b" 411 " in running.raw(head + b"Content-Length: -1\r\n\r\n")
    assert running.ask("/?" + "a" * 2000)[0].status == 414
    assert b" 414 " in running.raw(b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n" + host + b"\r\n")
    assert running.ask("/", X_Long="a" * 20000)[0].status == 431
    assert running.ask("/stream.mjpg?layout=circle")[0].status == 400
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        response, content = running.ask("/<b>", method)
        assert response.status == 501 and b"<b>" not in content
    assert running.raw(b"nonsense\r\n\r\n").startswith(b"HTTP/1.0 400")


def test_other_sites_change_nothing(running):
    assert running.post({"stream": "rgb"}, Origin="http://evil.example")[0].status == 403
    assert running.post({"stream": "rgb"}, Origin="null")[0].status == 403
    own = f"http://127.0.0.1:{running.port}"
    assert running.post({"stream": "auto"}, Origin=own)[0].status == 200
    # What a form of another site may send without asking first.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response, _ = running.ask("/choose", "POST", b'{"stream": "rgb"}', Content_Type=kind)
        assert response.status == 415
    assert running.live.state()["stream"] == "auto"


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_other_sites_change_nothing_with_a_viewer_s_cookie(guarded, kind):
    """Whether a browser sends it along or not."""
    own = {"Cookie": guarded.server.access.cookie().split(";")[0]}
    before = guarded.live.state()["stream"]
    for origin in ("http://evil.example", "null"):
        response, _ = guarded.post({"stream": "rgb"}, Origin=origin, Content_Type=kind, **own)
        assert response.status == 403
    assert guarded.ask("/choose", "OPTIONS", Origin="http://evil.example", **own)[0].status == 501
    assert guarded.live.state()["stream"] == before


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LOCALHOST:{port}", 200)]
    + [("[::1]:{port}", 200), ("127.0.0.1", 200), ("192.168.1.5:{port}", 200)]
    + [("evil.example", 421), ("evil.example:{port}", 421), ("localhost:9000", 200)]
    + [("jetson.lan:9000", 200), ("jetson.land", 421)]
    + [("127.0.0.1.evil.example:{port}", 421), ("localhost@evil.example", 421), ("", 421)]
    + [("a b", 421), ("127.0.0.1:x", 421)],
)
def test_host_names(running, host, status):
    response, _ = running.ask("/state.json", Host=host.format(port=running.port))
    assert response.status == status


def test_no_or_two_host_names(running):
    assert running.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 421")
    two = f"Host: 127.0.0.1:{running.port}\r\n".encode() * 2
    assert running.raw(b"GET / HTTP/1.1\r\n" + two + b"\r\n").startswith(b"HTTP/1.0 421")


def test_the_token(guarded):
    for path in ("/", "/state.json", "/stream.mjpg", "/snapshot.png", "/nothing"):
        assert guarded.ask(path)[0].status == 401
        assert guarded.ask(path, Authorization="Bearer wrong")[0].status == 401
        assert guarded.ask(path + "?token=wrong")[0].status == 401
    assert guarded.post({"stream": "rgb"})[0].status == 401
    assert guarded.ask("/state.json", Authorization=f"Bearer {TOKEN}")[0].status == 200
    assert guarded.ask(f"/state.json?token={TOKEN}")[0].status == 200
    response, _ = guarded.ask(f"/?token={TOKEN}")
    assert response.status == 303 and response.headers["Location"] == "/"
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"{guarded.server.access.cookie_name}={TOKEN};")
    # Strict would not be sent after a link of another site; a chat's, for instance.
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    kept = {"Cookie": cookie.split(";")[0]}
    assert guarded.ask("/", **kept)[0].status == 200
    assert guarded.post({"stream": "auto"}, **kept)[0].status == 200
    assert guarded.ask("/", Cookie=cookie.split("=")[0] + "=wrong")[0].status == 401
    assert guarded.ask("/", Cookie="\x01;;=")[0].status == 401


def test_too_many_viewers(artifacts):
    made = Running(artifacts["int8"], most_viewers=1)
    try:
        first, _ = read_pictures(made.port, "row", 1)
        response, _ = made.ask("/stream.mjpg")
        assert response.status == 503 and response.headers["Retry-After"]
        assert made.ask("/state.json")[0].status == 200, "figures are still served"
        first.close()
        until(lambda: not made.server._connected)
        second, _ = read_pictures(made.port, "row", 1)
        second.close()
    finally:
        made.stop()


def silent_connections(port):
    return [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(4)]


def test_too_many_connections(artifacts):
    made = Running(artifacts["int8"], most_connections=4)
    try:
        until(lambda: not made.server._connected)
        silent = silent_connections(made.port)
        until(lambda: made.server._connected["127.0.0.1"] == 4)
        assert b" 503 " in made.raw(b"GET / HTTP/1.0\r\n\r\n")
        for connection in silent:
            connection.close()
        until(lambda: not made.server._connected)
        assert made.ask("/state.json")[0].status == 200
    finally:
        made.stop()


def test_silent_connections_are_dropped(impatient):
    silent = silent_connections(impatient.port)
    try:
        assert [connection.recv(100) for connection in silent] == [b""] * 4
        until(lambda: not impatient.server._connected)
    finally:
        for connection in silent:
            connection.close()


def test_a_request_that_drips_has_its_time(impatient):
    until(lambda: not impatient.server._connected)
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as dripping:
        started, gone = time.monotonic(), False
        for letter in b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 200:
            try:
                dripping.sendall(bytes([letter]))
                time.sleep(0.05)
            except OSError:
                gone = True
                break
        # A byte every twentieth of a second is never silent for the second of `patience`; all of them
        # would take eleven, and a closed connection may take one more byte.
        assert gone and time.monotonic() - started < 6


def test_one_address_does_not_take_all_connections(artifacts):
    made = Running(artifacts["int8"], most_connections=3, most_per_address=2)
    try:
        held = [socket.create_connection(("127.0.0.1", made.port), timeout=20) for _ in range(2)]
        until(lambda: made.server._connected["127.0.0.1"] == 2)
        assert b" 503 " in made.raw(b"GET / HTTP/1.0\r\n\r\n")
        with socket.socket() as other:  # another address of this machine
            other.bind(("127.0.0.2", 0))
            other.settimeout(20)
            other.connect(("127.0.0.1", made.port))
            other.sendall(b"GET /state.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.0 200")
        for connection in held:
            connection.close()
        until(lambda: not made.server._connected)
    finally:
        made.stop()


def test_two_demos_on_one_host_have_two_cookies():
    first, second = (Access("127.0.0.1", port, TOKEN + str(port)) for port in (8000, 8001))
    assert first.cookie_name != second.cookie_name
    # A browser sends both to either.
    both = Message()
    both["Cookie"] = "; ".join(access.cookie().split(";")[0] for access in (first, second))
    for access in (first, second):
        assert access.is_token(access.given_token(both))


def test_a_stuck_viewer_is_dropped_and_slows_nobody(impatient):
    request = f"GET /stream.mjpg HTTP/1.1\r\nHost: localhost:{impatient.port}\r\n\r\n"
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", impatient.port))
        stuck.sendall(request.encode())
        until(lambda: any(impatient.live._viewers.values()))
        frame = impatient.live.state()["frame"]
        until(lambda: impatient.live.state()["frame"] > frame + 50)
        until(lambda: not any(impatient.live._viewers.values()))


def test_a_slow_viewer_sees_what_is_now(running, monkeypatch):
    """What is under way to one who takes nothing is less than half a megabyte, not seconds of pictures."""
    pictures, handed = running.live.pictures, []

    def counted(layout):
        for content in pictures(layout):
            handed.append(len(content or b""))
            yield content

    monkeypatch.setattr(running.live, "pictures", counted)
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as slow:
        slow.sendall(
            f"GET /stream.mjpg HTTP/1.1\r\nHost: localhost:{running.port}\r\n\r\n".encode()
        )
        until(lambda: len(handed) > 2)
        frame = running.live.state()["frame"]
        until(lambda: running.live.state()["frame"] > frame + 300)
    # Linux doubles what is asked for; the rest is the viewer's own buffer and the picture at hand.
    assert sum(handed) < 1 << 20
    until(lambda: not any(running.live._viewers.values()))


def test_a_viewer_that_hangs_up_while_nothing_comes(artifacts):
    go = threading.Event()

    def stalled():
        yield from scene(1)
        go.wait(60)

    made = Running(artifacts["int8"], frames=stalled)
    try:
        viewer = socket.create_connection(("127.0.0.1", made.port), timeout=20)
        viewer.sendall(f"GET /stream.mjpg HTTP/1.1\r\nHost: localhost:{made.port}\r\n\r\n".encode())
        until(lambda: any(made.live._viewers.values()))
        viewer.close()
        until(lambda: not any(made.live._viewers.values()))
    finally:
        go.set()
        made.stop()


def test_what_listens_beyond_this_machine_needs_a_token(running):
    with pytest.raises(InputError, match="need a token"):
        LiveServer(("0.0.0.0", 0), running.live)
    for token in ("short", "sixteen and more with spaces", "sixteen_and_more;Path=/", "é" * 16):
        with pytest.raises(InputError, match="the token does not hold"):
            LiveServer(("127.0.0.1", 0), running.live, token)
    with pytest.raises(InputError, match="cannot listen there"):
        LiveServer(("127.0.0.1", running.port), running.live)
    server = LiveServer(("0.0.0.0", 0), running.live, TOKEN)
    assert server.url.endswith(f"/?token={TOKEN}")
    server.server_close()


def test_addresses():
    assert parse_address("8000") == ("127.0.0.1", 8000)
    assert parse_address("0.0.0.0:80") == ("0.0.0.0", 80)
    assert parse_address("[::1]:80") == ("::1", 80)
    for text in ("x", "host:", "1:x", "70000", "-1"):
        with pytest.raises(InputError, match="wanted .HOST:.PORT"):
            parse_address(text)
    assert [is_loopback(h) for h in ("127.9.9.9", "::1", "localhost", "0.0.0.0", "10.0.0.1", "x")] == [
        True, True, True, False, False, False
    ]  # fmt: skip


def test_panels_show_what_is_there(artifacts):
    network = Network(Choice(artifacts["int8"]))
    whole = next(scene(1))
    for images, missing in (
        (whole.images, ()),
        ({"rgb": whole.images["rgb"]}, ("depth",)),
        ({"depth": whole.images["depth"]}, ("rgb",)),
    ):
        result = network.see(Frame("x", images), "ensemble", missing, 1)
        panels = Panels()(result)
        assert [p.shape for p in panels] == [(240, 320, 3)] * 3
        for index, name in enumerate(("rgb", "depth")):
            assert bool(panels[index].any()) == (name in images)
        assert panels[2].any()
        counted = [(result.classes == index).mean() for index in range(13)]
        np.testing.assert_allclose(shares(result), counted, atol=1e-12)  # counts over one size
        image = Image.open(io.BytesIO(jpeg(panels, "column")))
        assert image.size == (320, 720)
