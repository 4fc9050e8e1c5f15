"""The live page in a real browser: it shows the pictures, follows the figures and changes the
network.
"""

import functools
import http.server
import io
import threading

import numpy as np
import pytest
from chromium import PATH, Chromium
from PIL import Image

from deploy.demo.live import Live
from deploy.demo.network import Choice, Network, choices
from deploy.demo.pipeline import Pipeline
from deploy.demo.server import LiveServer
from deploy.demo.sources import Source
from deploy.runtime.preprocess import Frame

pytestmark = pytest.mark.skipif(PATH is None, reason="there is no Chromium here")
RED = (200, 30, 40)


class Scene:
    """A red wall that comes nearer; its depth can be taken away."""

    def __init__(self):
        self.blind = False

    def frames(self):
        index = 0
        while True:
            rgb = np.full((48, 64, 3), RED, np.uint8)
            depth = np.linspace(1, 3, 48 * 64, dtype=np.float32).reshape(48, 64)
            yield Frame(f"f{index}", {"rgb": rgb, "depth": depth * (not self.blind)})
            index += 1


@pytest.fixture(scope="module")
def shown(artifacts):
    scene = Scene()
    network = Network(Choice(artifacts["int8"]))
    live = Live(choices(network.choice, []))
    source = Source("scene", scene.frames, rate=30.0)
    pipeline = Pipeline(source, network, [live], live.say, stream="auto", live=True)
    live.pipeline = pipeline
    server = LiveServer(("127.0.0.1", 0), live, "0123456789abcdef")
    server.start()
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    yield server.url, scene, live
    pipeline.stop()
    thread.join(20)
    server.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Chromium(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


def text(name):
    return f"document.getElementById('{name}').textContent"


def picture_is_there(browser):
    browser.until("document.getElementById('live').naturalHeight > 0")
    browser.until(f"Number({text('fps')}) > 1")


def pixels(browser):
    with Image.open(io.BytesIO(browser.screenshot())) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def box(browser, index):
    """Left, top, right and bottom of one panel, a little inside its rounded corners."""
    cell = f"document.querySelectorAll('.cell')[{index}].getBoundingClientRect()"
    numbers = browser.run(f"(b => [b.left, b.top, b.right, b.bottom])({cell})")
    return [round(n + d) for n, d in zip(numbers, (20, 50, -20, -20), strict=True)]


def test_pictures_and_figures(shown, browser):
    url, _, _ = shown
    browser.view(1280, 800)
    browser.open(url)
    picture_is_there(browser)
    assert browser.run("location.search") == "", "the token does not stay in the address"
    assert browser.run("document.querySelectorAll('#legend li').length") == 13
    shares = browser.run(
        "[...document.querySelectorAll('.legend .number')].map(n => n.textContent)"
    )
    # Thirteen shares, each rounded to a tenth of a percent.
    assert sum(float(s.split()[0]) for s in shares) == pytest.approx(100, abs=13 * 0.05)
    browser.until("document.querySelectorAll('#stages tr').length === 5")
    image = pixels(browser)
    left, top, right, bottom = box(browser, 0)
    # JPEG at quality 85 of a plain colour: a few grey levels.
    np.testing.assert_allclose(image[top:bottom, left:right].mean((0, 1)), RED, atol=6)
    left, top, right, bottom = box(browser, 1)
    depth = image[top:bottom, left:right].mean(2)
    assert depth[:5].mean() > depth[-5:].mean() + 50, "near, at the top, is bright; far is dark"
    assert tuple(image[5, 5]) == (0xF4, 0xF5, 0xF7), "the page's own style holds"
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []


def test_a_change_of_network_and_of_output(shown, browser):
    url, _, _ = shown
    browser.view(1280, 800)
    browser.open(url)
    picture_is_there(browser)
    change = (
        "(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('change')); }})"
        "(document.getElementById('{name}'))"
    )
    browser.run(change.format(name="artifact", value="1"))
    browser.until(f"{text('about')}.startsWith('fp32')")
    browser.until(f"{text('log')}.includes('now at work: fp32.tflite')")
    browser.run(change.format(name="stream", value="depth"))
    browser.until(f"{text('cap-overlay')} === 'prediction, depth'")
    browser.run(change.format(name="stream", value="auto"))
    browser.run(change.format(name="artifact", value="0"))
    browser.until(f"{text('about')}.startsWith('static_w8a8')")
    assert browser.complaints == []


def test_a_missing_depth_is_seen(shown, browser):
    url, scene, _ = shown
    browser.view(1280, 800)
    browser.open(url)
    picture_is_there(browser)
    scene.blind = True
    try:
        browser.until(f"{text('warning')} === 'depth missing: showing the output rgb.'")
        assert browser.run("!document.getElementById('warning').hidden")
        browser.until(f"{text('cap-depth')} === 'depth missing'")
    finally:
        scene.blind = False
    browser.until("document.getElementById('warning').hidden")


def test_the_printed_address_is_opened_from_another_site(shown, browser, tmp_path):
    """From a chat or a wiki; localhost is another site than 127.0.0.1."""
    url, _, _ = shown
    (tmp_path / "chat.html").write_text(f'<a href="{url}">the demo</a>')
    handler = functools.partial(Quiet, directory=str(tmp_path))
    chat = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=chat.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://localhost:{chat.server_address[1]}/chat.html")
        browser.until("document.querySelector('a') !== null")
        browser.run("document.querySelector('a').click()")
        picture_is_there(browser)
    finally:
        chat.shutdown()
        chat.server_close()
    assert browser.run("location.href") == url.split("?")[0]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *arguments):
        pass


def test_a_refusal_is_said_in_the_demo_s_own_words(shown, browser):
    """The demo was started again, with another token."""
    _, _, live = shown
    first = LiveServer(("127.0.0.1", 0), live, "fedcba9876543210")
    first.start()
    browser.open(first.url)
    picture_is_there(browser)
    first.stop()
    second = LiveServer(("127.0.0.1", first.server_port), live, "another0123456789")
    second.start()
    try:
        words = "open the page with the address that the demo printed"
        browser.until(f"{text('warning')} === 'The demo refuses: {words}'")
    finally:
        browser.open("about:blank")
        second.stop()
    browser.until("location.href === 'about:blank'")
    browser.complaints.clear()


def test_a_phone_and_the_dark(shown, browser):
    url, _, _ = shown
    browser.view(390, 844, dark=True, mobile=True)
    browser.open(url)
    picture_is_there(browser)
    assert browser.run("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
    # The panels stand below each other, and so does the picture behind them.
    size = browser.run("(i => [i.naturalWidth, i.naturalHeight])(document.getElementById('live'))")
    assert size == [320, 720]
    boxes = [box(browser, index) for index in range(3)]
    assert boxes[0][3] < boxes[1][1] and boxes[1][3] < boxes[2][1]
    image = pixels(browser)
    assert image[2, 2].max() < 40, "dark"
    left, top, right, bottom = boxes[0]
    np.testing.assert_allclose(image[top:bottom, left:right].mean((0, 1)), RED, atol=6)
    # A finger needs some 40 pixels.
    heights = "[...document.querySelectorAll('select, .button')].map(e => e.offsetHeight)"
    assert min(browser.run(heights)) >= 40


@pytest.mark.parametrize("width", [1280, 390])
def test_a_viewer_too_many_comes_in_later(shown, browser, width):
    _, _, live = shown
    server = LiveServer(("127.0.0.1", 0), live, most_viewers=1)
    server.start()
    try:
        assert server.viewers.acquire(blocking=False)  # somebody else watches
        browser.view(width, 800)
        browser.open(server.url)
        browser.until(f"Number({text('fps')}) > 1")
        assert browser.run("document.getElementById('live').naturalHeight") == 0
        server.viewers.release()
        picture_is_there(browser)
    finally:
        browser.open("about:blank")
        server.stop()
    assert all("503" in complaint for complaint in browser.complaints)
    browser.complaints.clear()


def test_accessible_names(shown, browser):
    url, _, _ = shown
    browser.view(1280, 800)
    browser.open(url)
    picture_is_there(browser)
    found = browser.accessible_names()
    roles = {role: [name for r, name in found if r == role] for role, _ in found}
    assert "Artifact and engine" in roles["combobox"] and "Output" in roles["combobox"]
    assert roles["link"] == ["Snapshot"]
    assert roles["heading"][0] == "CEN live"
    for role in ("image", "combobox", "link", "button", "heading", "region"):
        assert all(name for name in roles.get(role, []))
    assert any(name.startswith("Live pictures") for name in roles["image"])
