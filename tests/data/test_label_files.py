"""Label files of every kind, written by other hands, read as class numbers."""

import numpy as np
import pytest
from PIL import Image
from png_files import write_png

from cen_keras.data.label_files import read_label
from cen_keras.errors import InputError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_of_few_bits_are_numbers(tmp_path, bits):
    """PNG of 1, 2 and 4 bits, written by hand: readers stretch them to 0..255."""
    label = RNG.integers(0, 2**bits, (8, 16)).astype(np.uint8)
    write_png(tmp_path / "a.png", label, bits)
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), label)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_masks_of_one_bit_are_0_and_1(tmp_path, suffix):
    mask = RNG.random((8, 13)) < 0.5
    Image.fromarray(mask).save(tmp_path / f"a.{suffix}")
    found = read_label(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found, mask)
    assert found.dtype == np.uint8


def test_labels_of_many_classes_and_of_arrays(tmp_path):
    label = RNG.integers(0, 900, (8, 12)).astype(np.uint16)
    Image.fromarray(label).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), label)
    np.save(tmp_path / "b.npy", label.astype(np.int64)[..., None] - 1)
    np.testing.assert_array_equal(read_label(tmp_path / "b.npy"), label.astype(int) - 1)
    for odd in (0.5, np.nan, np.inf):
        np.save(tmp_path / "c.npy", label + odd)
        with pytest.raises(InputError, match="not whole"):
            read_label(tmp_path / "c.npy")


def test_labels_in_colours_need_a_table(tmp_path):
    label = RNG.integers(0, 3, (8, 12))
    colours = np.array([[0, 0, 0], [200, 10, 10], [10, 10, 200]], np.uint8)
    Image.fromarray(colours[label]).save(tmp_path / "a.png")
    table = {tuple(int(x) for x in colour): n for n, colour in enumerate(colours)}
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", table), label)
    Image.fromarray(colours[label]).quantize(8).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_label(tmp_path / "p.png", table), label)
    with pytest.raises(InputError, match="3 channels, must have one.*colours"):
        read_label(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"not in the table, the first \(10, 10, 200\)"):
        read_label(tmp_path / "a.png", dict(list(table.items())[:2]))
    Image.fromarray(colours[label]).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="JPEG changes"):
        read_label(tmp_path / "a.jpg", table)


@pytest.mark.parametrize("kind", ["P5", "P2"])
@pytest.mark.parametrize("top", [12, 255, 900, 65535])
def test_labels_of_pgm_are_what_was_written(tmp_path, kind, top):
    label = RNG.integers(0, min(top, 900) + 1, (8, 12))
    header = f"{kind}\n# by hand\n12 8\n{top}\n".encode()
    body = label.astype(">u2" if top > 255 else np.uint8).tobytes()
    if kind == "P2":
        body = "\n".join(" ".join(map(str, row)) + " # row" for row in label).encode()
    (tmp_path / "a.pgm").write_bytes(header + body)
    np.testing.assert_array_equal(read_label(tmp_path / "a.pgm"), label)
    (tmp_path / "a.pgm").write_bytes(header + body[:-12])
    with pytest.raises(InputError, match=r"a\.pgm: is damaged .*cut off"):
        read_label(tmp_path / "a.pgm")


def test_labels_of_16_bits_are_whole(tmp_path):
    """Not their high bytes, in which 0 to 255 are all 0."""
    label = RNG.integers(0, 900, (8, 12)).astype(np.uint16)
    write_png(tmp_path / "rgb.png", np.repeat(label[..., None], 3, axis=-1), 16)
    write_png(tmp_path / "alpha.png", np.stack([label, np.full_like(label, 65535)], -1), 16)
    for name in ("rgb.png", "alpha.png"):
        np.testing.assert_array_equal(read_label(tmp_path / name), label, err_msg=name)
    kinds = RNG.integers(0, 3, (8, 12))
    table = {(0, 0, 0): 0, (200, 10, 10): 1, (0, 0, 255): 2}
    wide = np.array(list(table), np.uint16)[kinds] * 257
    write_png(tmp_path / "colours.png", wide, 16)
    np.testing.assert_array_equal(read_label(tmp_path / "colours.png", table), kinds)
    write_png(tmp_path / "odd.png", wide | 1, 16)
    with pytest.raises(InputError, match="odd.png: holds uint16.*wanted colours of 8 bits"):
        read_label(tmp_path / "odd.png", table)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_black_and_white_saved_as_grey_are_colours_still(tmp_path, mode):
    """White is class 0 and black class 1: numbers would be other classes, or none."""
    label = RNG.integers(0, 2, (8, 12))
    grey = np.where(label == 0, 255, 0).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(np.repeat(grey[..., None], 3, axis=-1)).convert(mode)
    picture.save(tmp_path / "a.png")
    table = {(255, 255, 255): 0, (0, 0, 0): 1, (200, 0, 0): 2}
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", table), label)


@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_are_colours_too(tmp_path, bits):
    numbers = RNG.integers(0, 4, (8, 12))
    write_png(tmp_path / "a.png", numbers * (2**bits - 1) // 3, bits)
    table = {(85 * n,) * 3: 3 - n for n in range(4)}
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", table), 3 - numbers)


def test_class_numbers_beside_a_table_of_colours_are_named(tmp_path):
    label = RNG.integers(0, 3, (8, 12)).astype(np.uint8)
    Image.fromarray(label).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"not in the table.*class numbers, leave out `colours`"):
        read_label(tmp_path / "a.png", {(200, 0, 0): 0, (0, 0, 0): 1})
    np.save(tmp_path / "a.npy", label)  # an array of one channel has no colours
    np.testing.assert_array_equal(read_label(tmp_path / "a.npy", {(200, 0, 0): 0}), label)
