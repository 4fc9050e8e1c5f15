"""A camera on the network that goes away now and then: for `endurance`."""

import http.server
import io
import threading
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image


class DroppingCamera:
    """Serves pictures as MJPEG on the loopback; breaks the connection off and is away for a while, again and again.

    Use it as a context manager.

    Args:
        pictures: each uint8 (h, w, 3), shown in turn.
        rate: a second.
        up: seconds of a connection.
        down: seconds in which no new one is taken afterwards.

    Attributes:
        url: of the stream.
        drops: how often it has gone away.
    """

    def __init__(self, pictures: Sequence[np.ndarray], rate: float, up: float, down: float):
        self._jpegs = [_jpeg(picture) for picture in pictures]
        self._rate, self._up, self._down = rate, up, down
        self._back_at = 0.0
        self.drops = 0
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                camera._serve(self)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/video.mjpg"

    def __enter__(self) -> "DroppingCamera":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if time.monotonic() < self._back_at:
            handler.send_error(503)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        start = time.monotonic()
        number = 0
        try:
            while time.monotonic() - start < self._up:
                jpeg = self._jpegs[number % len(self._jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                handler.wfile.write(head.encode() + jpeg + b"\r\n")
                number += 1
                time.sleep(max(0.0, start + number / self._rate - time.monotonic()))
        except OSError:
            return  # whoever watched has gone
        self.drops += 1
        self._back_at = time.monotonic() + self._down


def _jpeg(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=90)
    return content.getvalue()
