"""Calibration samples are taken by name, and samples of another input do not pass."""

import keras
import numpy as np
import pytest
from deploy_size import SIZE
from tflite_files import quantised

from cen_keras.errors import InputError
from deploy import calibration
from deploy.__main__ import main
from deploy.calibration import Calibration, CalibrationChoice
from deploy.run_folder import open_run
from deploy.runtime.tensors import Normalization, TensorSpec
from deploy.tflite.graph import read_tensors
from deploy.tflite.samples import check_input_ranges
from deploy.tflite.writer import write


@pytest.fixture(scope="module")
def twins():
    """A model with two inputs of one shape, which no engine could tell apart by it."""
    first, second = (keras.Input((8, 8, 3), name=name) for name in ("rgb", "normal"))
    layer = keras.layers.Conv2D(4, 3, padding="same", name="conv")
    model = keras.Model(
        {"rgb": first, "normal": second},
        {"ensemble": keras.layers.Add()([layer(first), layer(second)])},
    )
    return write(model, (8, 8))


def samples(n=6):
    rng = np.random.default_rng(0)
    return {
        "rgb": rng.uniform(-2, 2.5, (n, 8, 8, 3)).astype(np.float32),
        "normal": rng.uniform(-30, 30, (n, 8, 8, 3)).astype(np.float32),
    }


def test_each_input_gets_the_range_of_its_own_samples(twins):
    given = samples()
    # Another order of the names must change nothing.
    content = quantised(twins, dict(reversed(given.items())))
    for name, tensor in read_tensors(content).inputs.items():
        wanted = (given[name].max() - given[name].min()) / 255
        # The zero point is rounded to a whole code, which may stretch the range by one of 255.
        assert tensor.quantization.scale == pytest.approx(wanted, rel=1.5 / 255)


def test_swapped_samples_are_caught(twins):
    given = samples()
    content = quantised(twins, given)
    check_input_ranges(content, given)
    swapped = {"rgb": given["normal"], "normal": given["rgb"]}
    with pytest.raises(InputError, match="samples of the inputs were swapped"):
        check_input_ranges(content, swapped)


def test_min_max_ranges_reach_over_every_sample(twins):
    given = samples()
    given["rgb"][0, 0, 0, 0] = 9.0  # one extreme in one early sample: a moving average forgets it
    tensor = read_tensors(quantised(twins, given)).inputs["rgb"]
    high = tensor.quantization.scale * (127 - tensor.quantization.zero_point)
    assert high == pytest.approx(9.0, rel=0.01)


def specs():
    image = Normalization(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    metres = Normalization(1.0, (2.5,) * 3, (1.5,) * 3)
    return {
        "rgb": TensorSpec("rgb", (1, 8, 8, 3), "NHWC", "float32", "image", None, image),
        "depth": TensorSpec("depth", (1, 8, 8, 3), "NHWC", "float32", "depth", None, metres),
    }


def test_values_that_an_input_cannot_have_are_refused():
    """rgb and depth of one shape, swapped: an image's values are bounded and depth is not
    negative.
    """
    rng = np.random.default_rng(1)
    pixels = rng.uniform(0, 1, (2, 8, 8, 3))
    rgb = ((pixels - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).astype(np.float32)
    depth = ((rng.uniform(0, 9, (2, 8, 8, 3)) - 2.5) / 1.5).astype(np.float32)
    calibration.check(Calibration({"rgb": rgb, "depth": depth}), specs())
    with pytest.raises(InputError, match="are the inputs swapped"):
        calibration.check(Calibration({"rgb": depth, "depth": rgb}), specs())
    with pytest.raises(InputError, match="the same value everywhere"):
        calibration.check(Calibration({"rgb": rgb * 0, "depth": depth * 0}), specs())
    with pytest.raises(InputError, match="samples not normalised"):
        calibration.check(Calibration({"rgb": rgb * 225, "depth": depth}), specs())


def test_samples_of_another_model_are_refused(twins):
    with pytest.raises(InputError, match="samples are for rgb, the model's inputs are normal, rgb"):
        quantised(twins, {"rgb": samples()["rgb"]})
    wrong = dict(samples(), normal=np.zeros((6, 4, 8, 3), np.float32))
    with pytest.raises(InputError, match=r"'normal' are \(4, 8, 3\), the input is \(8, 8, 3\)"):
        quantised(twins, wrong)
    with pytest.raises(InputError, match="are for rgb"):
        calibration.check(Calibration({"rgb": samples()["rgb"]}), specs())


def test_files_keep_names_values_and_checksum(tmp_path):
    made = Calibration(samples(), seed=3)
    calibration.save(made, tmp_path / "a.npz")
    read = calibration.load(tmp_path / "a.npz")
    assert read.checksum() == made.checksum()
    assert Calibration(dict(reversed(made.arrays.items()))).checksum() == made.checksum()
    swapped = Calibration({"rgb": made.arrays["normal"], "normal": made.arrays["rgb"]})
    assert swapped.checksum() != made.checksum()
    assert made.to_json() == {"count": 6, "seed": 3, "sha256": made.checksum()}


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="no such calibration file"):
        calibration.load(tmp_path / "a.npz")
    calibration.save(Calibration(samples()), tmp_path / "a.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:500])
    with pytest.raises(InputError, match="not a .npz file"):
        calibration.load(tmp_path / "cut.npz")
    np.savez(tmp_path / "flat.npz", rgb=np.zeros(3))
    with pytest.raises(InputError, match="one named after each input"):
        calibration.load(tmp_path / "flat.npz")
    np.savez(tmp_path / "odd.npz", a=np.zeros((1, 2, 2, 1)), b=np.zeros((2, 2, 2, 1)))
    with pytest.raises(InputError, match="different numbers of samples"):
        calibration.load(tmp_path / "odd.npz")
    np.savez(tmp_path / "none.npz", a=np.zeros((0, 2, 2, 1)))
    with pytest.raises(InputError, match="holds no samples"):
        calibration.load(tmp_path / "none.npz")
    for odd in (np.zeros((1, 2, 2, 1), "c8"), np.full((1, 2, 2, 1), "a")):
        np.savez(tmp_path / "odd.npz", a=odd)
        with pytest.raises(InputError, match="odd.npz: not a .npz file of arrays .holds"):
            calibration.load(tmp_path / "odd.npz")


def test_the_choice_of_views_is_a_function_of_the_seed():
    class Numbered:
        def __len__(self):
            return 20

        def __getitem__(self, i):
            return {
                "rgb": np.full((8, 8, 3), i, np.uint8),
                "depth": np.full((8, 8), i + 1, np.float32),
            }

    inputs = specs()
    one = TensorSpec(
        "depth", (1, 8, 8, 1), "NHWC", "float32", "depth", None, Normalization(1.0, (0.0,), (1.0,))
    )
    inputs["depth"] = one
    first, again, other = (calibration.collect(Numbered(), inputs, 5, s) for s in (0, 0, 1))
    assert first.checksum() == again.checksum() != other.checksum()
    assert len(set(first.arrays["depth"][:, 0, 0, 0].tolist())) == 5
    assert calibration.collect(Numbered(), inputs, 99, 0).count == 20


@pytest.fixture(scope="module")
def far(run_path, tmp_path_factory):
    """A file of samples whose depth is in another unit or scene: all of it between 20 and 24 m, where
    the rooms end before 10; with the inputs, and samples of the training data.
    """
    run = open_run(run_path)
    inputs = {n: run.input_spec(n, (1, *SIZE, c)) for n, c in (("rgb", 3), ("depth", 1))}
    usual = calibration.collect(run.views("train"), inputs, 4)
    strange = {**usual.arrays, "depth": np.full_like(usual.arrays["depth"], (20 - 2.5) / 1.5)}
    strange["depth"][:, ::2] = (24 - 2.5) / 1.5
    path = tmp_path_factory.mktemp("calibration") / "far.npz"
    calibration.save(Calibration(strange), path)
    return path, inputs, usual


WARNING = "calibration samples of 'depth' lie between 11.7 and 14.3"


def test_samples_from_elsewhere_are_reported_with_numbers(run_path, far, tmp_path, capsys):
    path, _, usual = far
    assert calibration.unlike(usual, usual) == []
    arguments = ["export", str(run_path), "--scheme", "static_w8a8", "--out", str(tmp_path)]
    assert main([*arguments, "--calibration", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count(f"warning: {WARNING}") == 1
    assert "'rgb'" not in printed


def test_the_choice_tells_whoever_takes_its_samples(run_path, far, monkeypatch):
    path, inputs, _ = far
    run, messages = open_run(run_path), []
    wanted = calibration.load(path).checksum()
    assert CalibrationChoice(path).samples(run, inputs).checksum() == wanted
    assert CalibrationChoice(path, say=messages.append).samples(run, inputs).checksum() == wanted
    assert len(messages) == 1 and messages[0].startswith(WARNING)
    CalibrationChoice(count=2, say=messages.append).samples(run, inputs)
    assert len(messages) == 1  # the training data's own

    def gone(*_):
        raise FileNotFoundError("the data set")

    monkeypatch.setattr(type(run), "views", gone)
    assert CalibrationChoice(path, say=messages.append).samples(run, inputs).checksum() == wanted
    assert len(messages) == 1


def test_the_choice_refuses_files_that_do_not_fit(run_path, far, tmp_path):
    path, inputs, usual = far
    with pytest.raises(InputError, match="no such calibration file"):
        CalibrationChoice(tmp_path / "none.npz")
    calibration.save(Calibration({"rgb": usual.arrays["rgb"]}), tmp_path / "one.npz")
    with pytest.raises(InputError, match="are for rgb, the model's inputs are depth, rgb"):
        CalibrationChoice(tmp_path / "one.npz").samples(open_run(run_path), inputs)
    raw = {**usual.arrays, "rgb": usual.arrays["rgb"] * 225}
    calibration.save(Calibration(raw), tmp_path / "raw.npz")
    with pytest.raises(InputError, match="samples not normalised"):
        CalibrationChoice(tmp_path / "raw.npz").samples(open_run(run_path), inputs)


def test_samples_that_a_scheme_does_not_take(run_path, far, tmp_path, capsys):
    arguments = ["export", str(run_path), "--out", str(tmp_path), "--calibration"]
    assert main([*arguments, str(far[0])]) == 2
    assert "fp32 takes no samples" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    scheme = ["--scheme", "static_w8a8"]
    assert main([*arguments, str(tmp_path / "none.npz"), *scheme]) == 2
    assert "no such calibration file" in capsys.readouterr().err


class Walls:
    """Views of a wall at distances that grow, a tenth of each missing."""

    def __init__(self, count):
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        depth = np.full((10, 10), 1 + 4 * index / self._count, np.float32)
        depth[0], depth[1, :3] = 0, np.nan
        return {"depth": depth}


def test_medians_of_the_training_data_are_kept(tmp_path):
    class Run:
        path = tmp_path
        own = True
        opened = 0

        def views(self, split, small):
            Run.opened += 1
            assert split == "train" and small
            return Walls(64)

    low, high = calibration.medians(Run(), "depth")
    # 64 distances from 1 to 5 metres, all of them taken.
    wanted = np.percentile(1 + 4 * np.arange(64, dtype=np.float32) / 64, (1, 99))
    assert (low, high) == pytest.approx(wanted, rel=1e-6)
    assert calibration.medians(Run(), "depth") == (low, high) and Run.opened == 1


def test_a_few_views_say_nothing_of_distances(tmp_path):
    class Run:
        path = tmp_path
        own = True

        def views(self, split, small):
            return Walls(8)

    assert calibration.medians(Run(), "depth") is None
