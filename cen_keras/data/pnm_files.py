"""PGM and PPM files, plain or binary: their samples as they were written.

Pillow stretches samples whose largest value (maxval) is not 255 or 65535 to that, which is right
for a picture and wrong for a depth or a class number: 1000 mm of at most 10000 would be 6554.

`deploy/runtime/pnm_files.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

import re

import numpy as np

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)\s")
_COMMENT = re.compile(rb"#[^\r\n]*")


def is_pnm(data: bytes) -> bool:
    """Whether a file's bytes begin as PGM or PPM does; PBM, of one bit, is none of them."""
    return data[:2] in (b"P2", b"P3", b"P5", b"P6") and data[2:3] in b" \t\n\v\f\r#"


def decode_pnm(data: bytes) -> tuple[np.ndarray, int]:
    """Decodes a file's bytes.

    Returns:
        (h, w) of PGM, (h, w, 3) of PPM: uint8, or uint16 where maxval is above 255; and maxval.

    Raises:
        ValueError: the bytes are no such file, cut off, or hold a sample above maxval.
    """
    header = _HEADER.match(data)
    if header is None:
        raise ValueError("its header is no PGM's or PPM's")
    kind, width, height, top = (int(word) for word in header.groups())
    if not (width and height and 0 < top < 65536):
        raise ValueError(f"it is {width}x{height} with maxval {top}")
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    count = int(np.prod(shape, dtype=object))
    dtype = np.dtype(np.uint8 if top < 256 else ">u2")
    body = data[header.end() :]
    found = len(body) // dtype.itemsize
    if kind < 4:  # plain: numbers with blanks between them
        words = _COMMENT.sub(b" ", body).split()[:count]
        if any(len(word.lstrip(b"0")) > 5 for word in words):  # more than any integer type holds
            raise ValueError(f"a sample lies outside 0 to its maxval {top}")
        samples, found = np.array([int(word) for word in words], np.int64), len(words)
    if found < count:
        raise ValueError(f"is cut off: {found} of {count} samples are there")
    if kind > 4:
        samples = np.frombuffer(body, dtype, count)
    if samples.min() < 0 or samples.max() > top:
        raise ValueError(f"a sample lies outside 0 to its maxval {top}")
    return samples.reshape(shape).astype(np.uint8 if top < 256 else np.uint16), top
