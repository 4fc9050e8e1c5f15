"""Somebody who watches a demo's live page: for `endurance`."""

import json
import threading
import urllib.request
from typing import Any


class Viewer:
    """Reads a demo's pictures until they end.

    Args:
        page: address of the page, without a slash at its end.
        layout: of the pictures: "row" or "column".

    Attributes:
        received: bytes.
        ended: whether the pictures have.
    """

    def __init__(self, page: str, layout: str):
        self.received = 0
        self.ended = False
        url = f"{page}/stream.mjpg?layout={layout}"
        threading.Thread(target=self._read, args=(url,), daemon=True).start()

    def _read(self, url: str) -> None:
        try:
            with _open(url, 60.0) as stream:
                while content := stream.read(1 << 16):
                    self.received += len(content)
        except OSError:
            pass
        self.ended = True


def choose(page: str, artifact: int) -> bool:
    """Asks a page for another of its artifacts; whether it took the wish."""
    request = urllib.request.Request(
        f"{page}/choose",
        json.dumps({"artifact": artifact}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with _open(request, 10.0):
            return True
    except OSError:
        return False


def _open(what: str | urllib.request.Request, seconds: float) -> Any:
    # Not through a proxy that others are reached by.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(what, timeout=seconds)
