"""The live page's server: the standard library's, with a short list of what it serves.

    GET  /               the page
    GET  /stream.mjpg    the pictures, MJPEG; ?layout=row or column
    GET  /state.json     all figures
    GET  /snapshot.png   the newest picture, as --out writes it
    POST /choose         another artifact or stream

Every other path is unknown; no part of a request ever becomes the name of a file. A request is
refused if it asks under a host name that is not this machine's (DNS rebinding), lacks the token
where one is wanted, comes from another site, is too large, or is one too many.
"""

from __future__ import annotations

import collections
import io
import json
import select
import socket
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Sequence
from urllib.parse import parse_qs, urlsplit

from ..runtime.errors import InputError
from .access import Access
from .live import Live
from .page import Page
from .view import PANEL_LAYOUTS

PORT = 8000
MOST_CONNECTIONS, MOST_PER_ADDRESS, MOST_VIEWERS = 32, 12, 8
MOST_BODY, MOST_PATH, MOST_HEADERS = 1024, 1024, 16384  # bytes
REQUEST_SECONDS = (
    10.0  # seconds in which a request must have come, and that a stuck client is waited for
)
_BOUNDARY = "frame"
# Of pictures on their way. The kernel's own choice grows to megabytes, which a slow viewer sees
# seconds later.
_SEND_BUFFER = 128 << 10  # bytes


class LiveServer(socketserver.ThreadingMixIn, HTTPServer):
    """Serves one `Live`.

    Args:
        address: host and port; port 0 takes a free one.
        live: what is shown.
        token: what a viewer must know; None = nothing, on loopback only.
        most_viewers: so many may watch the pictures at once.
        most_connections: so many may be connected at once.
        most_per_address: so many from one address.
        patience: seconds in which a whole request must have come, and after which a client that
            takes nothing is dropped.
        names: as for `Access`.

    Raises:
        InputError: no token where others than this machine reach the page, a short one, or the
            address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False  # a viewer's thread ends with the pictures, or with the process
    request_queue_size = 16

    def __init__(
        self,
        address: tuple[str, int],
        live: Live,
        token: str | None = None,
        *,
        most_viewers: int = MOST_VIEWERS,
        most_connections: int = MOST_CONNECTIONS,
        most_per_address: int = MOST_PER_ADDRESS,
        patience: float = REQUEST_SECONDS,
        names: Sequence[str] = (),
    ):
        host, port = address
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.access = Access(host, port, token, names)
        self.live, self.patience = live, patience
        self.page = Page()
        self.viewers = threading.BoundedSemaphore(most_viewers)
        self._most, self._most_per_address = most_connections, most_per_address
        self._connected: collections.Counter = collections.Counter()
        self._lock = threading.Lock()
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--serve {host}:{port}: cannot listen there ({error}); choose another port"
            ) from error

    def server_bind(self) -> None:
        """As the standard library's, without asking a name server who we are: that may take long
        on a board without a network.
        """
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def url(self) -> str:
        """Where the page is, with its token."""
        host, port = self.server_address[:2]
        shown = f"[{host}]" if ":" in str(host) else host
        if host in ("0.0.0.0", "::"):
            shown = socket.gethostname()
        return f"http://{shown}:{port}/" + (
            f"?token={self.access.token}" if self.access.token else ""
        )

    def start(self) -> None:
        """Serves in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.2,), name="serve", daemon=True).start()

    def stop(self) -> None:
        """Ends serving; open connections end with the pictures."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handles a request in a new thread, if one is left for this address."""
        with self._lock:
            allowed = (
                self._connected[client_address[0]] < self._most_per_address
                and sum(self._connected.values()) < self._most
            )
            self._connected[client_address[0]] += allowed
        if allowed:
            super().process_request(request, client_address)
            return
        request.settimeout(1.0)
        try:
            request.sendall(
                b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\n"
                b"Content-Type: text/plain\r\nConnection: close\r\n\r\ntoo many connections\n"
            )
        except OSError:
            pass
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, from its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connected[client_address[0]] -= 1
                self._connected += collections.Counter()  # without addresses that have none

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error; anything else is reported on the page."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):
            self.live.say(f"page: {type(error).__name__}: {error}")


class Deadline(io.RawIOBase):
    """What a socket receives until a moment, whoever sends it byte by byte.

    Args:
        connection: the socket; its timeout is changed.
        seconds: from now to that moment; a read after it raises TimeoutError.
    """

    def __init__(self, connection: socket.socket, seconds: float):
        self._connection, self._end = connection, time.monotonic() + seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receives what there is."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: LiveServer
    server_version, sys_version = "cen-demo", ""

    def setup(self) -> None:
        """A client may be slow, but a request has to come within a time, however it drips."""
        self.timeout = self.server.patience
        super().setup()
        self.rfile = io.BufferedReader(Deadline(self.connection, self.server.patience))

    def do_GET(self) -> None:
        """The page, its pictures and its figures."""
        path, query = self._split()
        if not self._allowed(query):
            return
        if path == "/":
            self._answer(self.server.page.content, "text/html; charset=utf-8")
        elif path == "/state.json":
            text = json.dumps(self.server.live.state())
            self._answer(text.encode(), "application/json")
        elif path == "/snapshot.png":
            taken = self.server.live.snapshot()
            if taken is None:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no picture yet")
                return
            name = "".join(c if c.isalnum() or c in "._-" else "_" for c in taken[0])
            name = name.encode("ascii", "replace").decode().replace("?", "_")
            disposition = f'attachment; filename="{name}"'
            self._answer(taken[1], "image/png", {"Content-Disposition": disposition})
        elif path == "/stream.mjpg":
            layout = query.get("layout", ["row"])[0]
            if layout not in PANEL_LAYOUTS:
                self._refuse(HTTPStatus.BAD_REQUEST, f"layout: wanted {' or '.join(PANEL_LAYOUTS)}")
                return
            self._stream(layout)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "unknown path")

    def do_HEAD(self) -> None:
        """Whether the page is there."""
        path, query = self._split()
        if self._allowed(query):
            if path == "/":
                self._head(HTTPStatus.OK, "text/html; charset=utf-8", len(self.server.page.content))
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "unknown path")

    def do_POST(self) -> None:
        """Changes the artifact or the stream."""
        path, query = self._split()
        if not self._allowed(query):
            return
        if path != "/choose":
            self._refuse(HTTPStatus.NOT_FOUND, "unknown path")
            return
        # A form of another site can send neither this type nor this origin.
        kind = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers.get("Host"):
            self._refuse(HTTPStatus.FORBIDDEN, "this page is changed from itself only")
            return
        if kind != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wanted application/json")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "wanted a Content-Length")
            return
        if len(length) > 9 or int(length) > MOST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BODY} bytes")
            return
        try:
            wanted = json.loads(self.rfile.read(int(length)).decode("utf-8"))
            if not isinstance(wanted, dict):
                raise InputError("wanted a JSON object")
            self.server.live.choose(wanted)
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._answer(b"{}", "application/json")

    def _split(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query, max_num_fields=8)

    def _allowed(self, query: dict[str, list[str]]) -> bool:
        """Whether to serve the request at all; says so if not."""
        if len(self.path) > MOST_PATH:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "the path is too long")
        elif sum(len(k) + len(v) for k, v in self.headers.items()) > MOST_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long")
        elif not self.server.access.knows_host(self.headers):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "unknown host name")
        elif self.server.access.token is None:
            return True
        elif self.command == "GET" and self.server.access.is_token(query.get("token", [""])[0]):
            return self._keep_token()
        elif self.server.access.is_token(self.server.access.given_token(self.headers)):
            return True
        else:
            self._refuse(
                HTTPStatus.UNAUTHORIZED, "open the page with the address that the demo printed"
            )
        return False

    def _keep_token(self) -> bool:
        """A browser that came with the token in the address keeps it as a cookie, and the address
        loses it; other programs get their response at once.
        """
        path, _ = self._split()
        if path != "/":
            return True
        more = {"Location": "/", "Set-Cookie": self.server.access.cookie()}
        self._head(HTTPStatus.SEE_OTHER, "text/plain", 0, more)
        return False

    def _stream(self, layout: str) -> None:
        if not self.server.viewers.acquire(blocking=False):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers", {"Retry-After": "5"})
            return
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
            self._head(HTTPStatus.OK, kind, None)
            boundary = f"--{_BOUNDARY}\r\n".encode()
            self.wfile.write(boundary)
            for content in self.server.live.pictures(layout):
                if content is None:
                    if self._gone():
                        break
                    continue
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
                # The next boundary at once: browsers show a part when it has ended.
                self.wfile.write(head.encode() + content + b"\r\n" + boundary)
        except OSError:
            pass  # the viewer has gone, or has been stuck for too long
        finally:
            self.server.viewers.release()

    def _gone(self) -> bool:
        """Whether the viewer has hung up; while no picture is sent, nothing else would tell."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1024, socket.MSG_PEEK)

    def _answer(self, content: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self._head(HTTPStatus.OK, kind, len(content), more)
        self.wfile.write(content)

    def _refuse(self, status: HTTPStatus, text: str, more: dict[str, str] | None = None) -> None:
        content = (text + "\n").encode("utf-8", "replace")
        self._head(status, "text/plain; charset=utf-8", len(content), more)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(
        self,
        status: HTTPStatus,
        kind: str,
        length: int | None,
        more: dict[str, str] | None = None,
    ) -> None:
        self.close_connection = True
        self.connection.settimeout(self.server.patience)  # reading has shortened it
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": self.server.page.policy,
        }
        if length is not None:
            headers["Content-Length"] = str(length)
        headers.update(more or {})
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses, in plain text that repeats nothing of the request."""
        if not hasattr(self, "command") or self.command is None:
            self.command = "GET"
        if getattr(self, "request_version", "") == "HTTP/0.9":
            self.request_version = "HTTP/1.0"  # or no head would be sent
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a token may stand in the address, and a poll comes twice a second."""
