"""Lists as other systems write them: marks, line ends, blanks."""

import numpy as np
import pytest
from PIL import Image

from cen_keras.data.frames import FrameViews
from cen_keras.data.pair_lists import read_list
from cen_keras.data.survey.names import names_beside
from cen_keras.data.text_files import lines_of
from cen_keras.errors import InputError

AS_WINDOWS_WRITES = b"\xef\xbb\xbf0000\r\n0001.png \r\n\r\n# 0002\r\n"


def test_marks_line_ends_and_blanks_are_no_text(tmp_path):
    for kind, value in (("rgb", np.zeros((8, 8, 3), np.uint8)), ("depth", np.full((8, 8), 2000))):
        (tmp_path / kind).mkdir()
        for index in range(3):
            Image.fromarray(value.astype(np.uint8 if kind == "rgb" else np.uint16)).save(
                tmp_path / kind / f"000{index}.png"
            )
    (tmp_path / "list.txt").write_bytes(AS_WINDOWS_WRITES)
    assert FrameViews(tmp_path, lists={"train": "list.txt"}).names == ["0000", "0001"]
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbffloor\r\nball \r\n")
    assert names_beside(tmp_path) == ["floor", "ball"]
    # A tab at the end of a line is no fourth column.
    line = b"rgb/0000.png\trgb/0000.png\tdepth/0000.png\t\r\n"
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbf" + line)
    assert read_list(tmp_path, tmp_path / "train.txt")[0]["depth"].name == "0000.png"


def test_what_is_no_text_is_one_line(tmp_path):
    (tmp_path / "utf16.txt").write_bytes("0000\n".encode("utf-16"))
    with pytest.raises(InputError, match="utf16.txt: cannot be read as a list.*UTF-8"):
        lines_of(tmp_path / "utf16.txt")
    with pytest.raises(InputError, match="cannot be read as a list"):
        lines_of(tmp_path)
