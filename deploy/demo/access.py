"""Who may see the live page: addresses, host names and the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from typing import Sequence
from urllib.parse import urlsplit

from ..runtime.errors import InputError

LOOPBACK = "127.0.0.1"
TOKEN = "[A-Za-z0-9_-]{16,128}"  # it stands in an address and in a cookie


def parse_address(text: str) -> tuple[str, int]:
    """Reads [HOST:]PORT; an IPv6 host stands in brackets.

    Raises:
        InputError: the port is none.
    """
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise InputError(f"--serve {text!r}: wanted [HOST:]PORT, such as 8000 or 0.0.0.0:8000")
    return host.strip("[]") or LOOPBACK, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Holds a request's headers against the address that is listened on and the token.

    Args:
        host: that is listened on.
        port: likewise.
        token: what a viewer must know; None = nothing, on loopback only.
        names: host names under which the page may be asked for, besides this machine's own: that of
            a tunnel, of a router's name service, of a container.

    Raises:
        InputError: no token where others than this machine reach the page, or one that is too short
            or cannot stand in an address.
    """

    def __init__(self, host: str, port: int, token: str | None, names: Sequence[str] = ()):
        if token is None and not is_loopback(host):
            raise InputError(f"--serve {host}:{port}: others than this machine need a token")
        if token is not None and not re.fullmatch(TOKEN, token):
            raise InputError(
                "the token does not hold: wanted 16 to 128 letters, digits, - or _, such as "
                "`openssl rand -hex 16` gives"
            )
        own = socket.gethostname().lower()
        self.token = token
        self._names = {"localhost", own, own + ".local", host.lower(), *map(str.lower, names)}

    def knows_host(self, headers: Message) -> bool:
        """Whether the Host header names this machine: a page of another site that rebinds its own
        name to this address still sends its own name. The port may be a tunnel's.
        """
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1:
            return False
        try:
            parts = urlsplit("//" + hosts[0])
            name = parts.hostname or ""
            parts.port  # noqa: B018 - refuses what is no number
        except ValueError:
            return False
        if parts.netloc != hosts[0]:
            return False
        if is_loopback(name) or name in self._names:
            return True
        try:  # a plain address cannot be rebound
            return ipaddress.ip_address(name) is not None
        except ValueError:
            return False

    def is_token(self, given: str) -> bool:
        """Whether this is the token; takes the same time for every wrong one."""
        return hmac.compare_digest(given.encode(), str(self.token).encode())

    @property
    def cookie_name(self) -> str:
        """Another one for each token: a browser sends cookies to all ports of a host alike."""
        return "cen_demo_" + hashlib.sha256(str(self.token).encode()).hexdigest()[:8]

    def given_token(self, headers: Message) -> str:
        """The token of `Authorization: Bearer` or of the cookie; "" without either."""
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return given.strip()
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(self.cookie_name)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def cookie(self) -> str:
        """The Set-Cookie header that keeps the token.

        Lax, so that the printed address may be opened from a chat or a wiki: Strict would keep the
        cookie from the request that follows. What changes anything is held by Origin and type.
        """
        return f"{self.cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Lax"
