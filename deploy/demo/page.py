"""The live page's one file, and the policy that lets a browser load nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

FILE = Path(__file__).parent.parent / "templates" / "live.html"


class Page:
    """The page as it is sent.

    Attributes:
        content: its bytes.
        policy: a Content-Security-Policy that names its own style and script by checksum and allows
            no other, and no other site.
    """

    def __init__(self) -> None:
        text = FILE.read_text(encoding="utf-8")
        self.content = text.encode("utf-8")
        style, script = (_checksums(text, tag) for tag in ("style", "script"))
        self.policy = (
            f"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src {style}; "
            f"script-src {script}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def _checksums(text: str, tag: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digests = [hashlib.sha256(part.encode("utf-8")).digest() for part in found]
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests) or "'none'"
