"""Pictures of a frame, its depth, a prediction and a difference; numpy and Pillow only.

All pictures are uint8 (h, w, 3).
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .image_kind import ImageKind

IGNORE = 255
"""The label of pixels that count nowhere; painted black."""

# Near is warm and bright, far is dark: control points of a ramp that stays readable in grey.
_RAMP = np.array(
    [[252, 253, 191], [254, 159, 109], [222, 73, 104], [140, 41, 129], [59, 15, 112], [10, 7, 40]],
    np.float32,
)
_SAME, _DIFFERENT = (222, 226, 230), (214, 40, 57)
_PAPER, _INK = (255, 255, 255), (33, 37, 41)


def colorize(classes: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paints a class map.

    Args:
        classes: uint8 (h, w); 255 (unlabelled) becomes black.
        palette: (n, 3) colours.

    Returns:
        The picture, not to be written to.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)
    table[IGNORE] = 0
    # Half the time of numpy's take.
    picture = Image.fromarray(np.ascontiguousarray(classes, np.uint8))
    picture.putpalette(table.tobytes())
    return np.asarray(picture.convert("RGB"))


def depth_picture(depth: np.ndarray, near: float | None = None, far: float | None = None):
    """Paints depth, near bright and far dark; missing depth is black.

    Args:
        depth: (h, w) metres, 0 = missing.
        near: metres of the brightest colour; None = the second percentile of this image.
        far: metres of the darkest colour; None = the 98th.
    """
    known = depth[depth > 0]
    if known.size == 0:
        return np.zeros(depth.shape + (3,), np.uint8)
    if near is None or far is None:
        nearest, farthest = (float(metres) for metres in np.percentile(known, (2, 98)))
        near = nearest if near is None else near
        far = farthest if far is None else far
    share = np.clip((depth - near) / max(far - near, 1e-6), 0.0, 1.0) * 255
    steps = np.linspace(0, 255, len(_RAMP))
    ramp = np.stack([np.interp(np.arange(256), steps, _RAMP[:, c]) for c in range(3)], axis=-1)
    picture = np.take(ramp.astype(np.uint8), share.astype(np.uint8), axis=0)
    picture[depth <= 0] = 0
    return picture


def image_picture(image: np.ndarray, kind: ImageKind | None = None) -> np.ndarray:
    """Any image as people can look at it.

    Args:
        image: (h, w) or (h, w, channels), as a frame holds it.
        kind: of the image; None for one that the artifact does not take.

    Returns:
        uint8 (h, w, 3): colours as they are, what can be missing as depth, vectors from -1..1, and
        else greys from the second to the 98th percentile of the first channel or channels.
    """
    planes = image if image.ndim == 3 else image[..., None]
    if planes.dtype == np.uint8 and planes.shape[2] == 3:
        return planes
    if planes.shape[2] == 1 and (kind is None or kind.missing is not None):
        return depth_picture(np.nan_to_num(planes[..., 0], posinf=0, neginf=0))
    planes = planes[..., :3] if planes.shape[2] >= 3 else planes[..., :1]
    values = planes.astype(np.float32)
    if kind is not None and kind.mirror == "negate_x" and image.dtype.kind == "f":
        low, high = -1.0, 1.0
    else:
        low, high = (float(x) for x in np.percentile(values, (2, 98)))
    grey = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.repeat(grey, 3 // grey.shape[2], axis=2).astype(np.uint8)


def overlay(rgb: np.ndarray, colours: np.ndarray, share: float = 0.55) -> np.ndarray:
    """Lays colours over a picture; `share` is how much of the colours is seen, in steps of 1/256.

    In integers: a third of the time of floats, and at most one level beside them.
    """
    part = round(256 * share)
    # The type is explicit: older NumPy would take that of the pixels and overflow.
    mixed = np.multiply(rgb, 256 - part, dtype=np.uint16)
    mixed += np.multiply(colours, part, dtype=np.uint16)
    mixed += np.uint16(128)
    mixed >>= 8
    return mixed.astype(np.uint8)


def difference_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where two class maps differ: red on light grey."""
    return np.where((first != second)[..., None], _DIFFERENT, _SAME).astype(np.uint8)


def legend(
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    width: int,
    present: Sequence[int] | None = None,
) -> np.ndarray:
    """A strip of coloured squares with the names of the classes.

    Args:
        classes: names.
        palette: colours, one a class.
        width: of the strip in pixels; it grows downwards as far as the names need.
        present: indices of the classes to name; None = all.
    """
    chosen = range(len(classes)) if present is None else present
    font = _font(14)
    square, gap, line = 13, 6, 22
    places: list[tuple[int, int, int]] = []
    x, y = gap, 4
    for index in chosen:
        needed = square + gap + _text_width(classes[index], font) + 2 * gap
        if x + needed > width and x > gap:
            x, y = gap, y + line
        places.append((index, x, y))
        x += needed
    image = Image.new("RGB", (width, y + line), _PAPER)
    draw = ImageDraw.Draw(image)
    for index, x, y in places:
        colour = tuple(int(c) for c in palette[index])
        draw.rectangle([x, y + 2, x + square, y + 2 + square], fill=colour, outline=_INK)
        text = _drawable(classes[index], font)
        draw.text((x + square + gap, y), text, fill=_INK, font=font)
    return np.asarray(image)


def side_by_side(pictures: Sequence[tuple[str, np.ndarray]], height: int) -> np.ndarray:
    """Sets titled pictures in a row, each brought to one height.

    Args:
        pictures: (title, picture) from left to right.
        height: of the pictures in pixels, without the titles.
    """
    gap, title_height = 6, 22
    scaled = []
    for title, picture in pictures:
        width = max(1, round(picture.shape[1] * height / picture.shape[0]))
        # Small pictures are shown with their pixels, large ones averaged.
        method = Image.NEAREST if height > picture.shape[0] else Image.BOX
        scaled.append((title, Image.fromarray(picture).resize((width, height), method)))
    total = gap + sum(image.width + gap for _, image in scaled)
    row = Image.new("RGB", (total, height + title_height + gap), _PAPER)
    draw, font = ImageDraw.Draw(row), _font(14)
    x = gap
    for title, image in scaled:
        draw.text((x, 3), _drawable(title, font), fill=_INK, font=font)
        row.paste(image, (x, title_height))
        x += image.width + gap
    return np.asarray(row)


def stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Sets pictures below each other on white, from the left edge."""
    width = max(picture.shape[1] for picture in pictures)
    page = np.full((sum(p.shape[0] for p in pictures), width, 3), 255, np.uint8)
    y = 0
    for picture in pictures:
        page[y : y + picture.shape[0], : picture.shape[1]] = picture
        y += picture.shape[0]
    return page


def _font(size: int):
    try:
        return ImageFont.load_default(size=size)
    except (TypeError, OSError):  # Pillow before 10.1 has one size only
        return ImageFont.load_default()


def _drawable(text: str, font) -> str:
    """The text with "?" for what the font cannot draw: a bitmap font has Latin-1 only, and fails."""
    if isinstance(font, ImageFont.FreeTypeFont):
        return text
    return text.encode("latin-1", "replace").decode("latin-1")


def _text_width(text: str, font) -> int:
    text = _drawable(text, font)
    if not hasattr(
        font, "getbbox"
    ):  # the one size of Pillow before 9.2, as JetPack 5 and 6 have it
        return int(font.getsize(text)[0])
    left, _, right, _ = font.getbbox(text)
    return int(right - left)
