"""Data that moved and frames of one's own: verify with --data, calibration from a folder."""

import json

import numpy as np
import pytest
from deploy_size import SIZE
from frame_folders import write_views
from PIL import Image

from cen_keras.errors import InputError
from deploy import calibration
from deploy.__main__ import main
from deploy.calibration import CalibrationChoice
from deploy.demo.sources import Options, open_source
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests
from deploy.runtime.pinhole_cameras import read_cameras


@pytest.fixture(scope="module")
def held_out(run_path, tmp_path_factory):
    """The held-out views of the run as files."""
    return write_views(open_run(run_path).views("val"), tmp_path_factory.mktemp("val"))


def scores_of(capsys, *arguments):
    assert main(["verify", *map(str, arguments), "--max-drop", "100", "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_verify_on_a_folder_scores_as_on_the_data_that_were_written_there(
    artifacts, held_out, capsys
):
    wanted = scores_of(capsys, artifacts["fp32"])
    spec = json.dumps({"name": "frames", "root": str(held_out)})
    for data in (held_out, spec):
        assert scores_of(capsys, artifacts["fp32"], "--data", data)["outputs"] == wanted["outputs"]


def test_other_data_leave_what_is_kept_of_the_runs_own(run_path, artifacts, held_out, capsys):
    kept = artifacts["fp32"].with_suffix(".tflite.verify.json")
    scores_of(capsys, artifacts["fp32"])
    before = kept.read_bytes()
    assert main(["verify", str(artifacts["fp32"]), "--data", str(held_out)]) == 0
    assert "stays as it was: --data is not the run's" in capsys.readouterr().out
    assert kept.read_bytes() == before
    run = open_run(run_path)
    medians = run.path / "medians.json"
    before = medians.read_bytes() if medians.is_file() else None
    other = run.on(json.dumps({"name": "rooms", "size": [48, 64], "train": 40}))
    assert run.own and not other.own and calibration.medians(other, "depth")
    assert (medians.read_bytes() if medians.is_file() else None) == before


def test_data_that_moved_are_found_again(run_path, held_out):
    run = open_run(run_path)
    run.data["dataset"] = {"name": "nyudv2", "mat": "gone.mat", "classes": 13}
    moved = run.on(str(held_out / "rgb"))
    assert moved.own
    assert moved.data["dataset"] == {**run.data["dataset"], "mat": str(held_out / "rgb")}
    run.data["dataset"] = {"name": "frames", "root": "gone/{split}", "ignore": 9, "classes": ["a"]}
    assert run.on(f"{held_out.parent}/{{split}}").data["dataset"] == {
        **run.data["dataset"],
        "root": f"{held_out.parent}/{{split}}",
        "palette": run.data["palette"],
    }


def test_data_that_do_not_fit_are_named(artifacts, held_out, tmp_path, capsys):
    (tmp_path / "rgb").mkdir()
    for data, words in (
        (tmp_path / "none", "no such folder"),
        (tmp_path, "holds no views"),
        ('{"name": ', "is no JSON"),
        ('{"name": "frame"}', "'frame' is unknown"),
        (
            json.dumps(
                {
                    "name": "frames",
                    "root": str(held_out),
                    "classes": [f"c{n}" for n in range(20)],
                    "palette": None,
                }
            ),
            "its model has 13 classes, the data 20",
        ),
    ):
        assert main(["verify", str(artifacts["fp32"]), "--data", str(data)]) == 2
        error = capsys.readouterr().err.strip()
        assert words in error and error.startswith("error: ") and "\n" not in error
    write_views(open_run(artifacts["fp32"].parent.parent).views("val"), tmp_path / "bare", False)
    assert main(["verify", str(artifacts["fp32"]), "--data", str(tmp_path / "bare")]) == 2
    assert "has no labels, which training and scoring need" in capsys.readouterr().err


def test_training_with_rounding_takes_views_from_elsewhere(run_path, held_out, tmp_path, capsys):
    command = ["qat", str(run_path), "--epochs", "1", "--views", "2", "--batch-size", "1"]
    command += ["--out", str(tmp_path)]
    for data, words in ((tmp_path / "none", "no such folder"), ('{"name": ', "is no JSON")):
        assert main([*command, "--data", str(data)]) == 2
        assert words in capsys.readouterr().err
    assert main([*command, "--data", str(held_out)]) == 0
    samples = manifests.load(tmp_path / "qat_w8a8.tflite").calibration
    run = open_run(run_path)
    assert samples["count"] == len(run.views("val")) != len(run.views("train"))


def test_calibration_from_a_folder_draws_the_samples_of_its_views(run_path, tmp_path, capsys):
    folder = write_views(open_run(run_path).views("train"), tmp_path / "frames", label=False)
    command = ["export", str(run_path), "--scheme", "static_w8a8", "--calibration-count", "4"]
    assert main([*command, "--out", str(tmp_path / "a")]) == 0
    assert main([*command, "--out", str(tmp_path / "b"), "--calibration", str(folder)]) == 0
    first, second = (
        manifests.load(tmp_path / name / "static_w8a8.tflite").calibration for name in "ab"
    )
    assert first == second and first["count"] == 4
    capsys.readouterr()
    (tmp_path / "empty").mkdir()
    assert main([*command, "--calibration", str(tmp_path / "empty")]) == 2
    assert "holds no views; wanted rgb/NAME.png" in capsys.readouterr().err


def test_calibration_s_depth_in_another_unit_names_the_option(run_path, tmp_path):
    """Counts of 1/5000 m: a near part and a far one."""
    counts = np.full(SIZE, 2.5 * 5000, np.uint16)
    counts[: SIZE[0] // 4] //= 2
    for name, image in (("rgb", np.zeros((*SIZE, 3), np.uint8)), ("depth", counts)):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "a.png")
    run = open_run(run_path)
    inputs = {n: run.input_spec(n, (1, *SIZE, c)) for n, c in (("rgb", 3), ("depth", 1))}
    with pytest.raises(InputError, match="try --depth-scale 0.0002 .*--calibration FILE.npz"):
        CalibrationChoice(tmp_path).samples(run, inputs)
    drawn = CalibrationChoice(tmp_path, depth_scale=0.0002).samples(run, inputs)
    metres = drawn.arrays["depth"][0, :, 0, 0] * 1.5 + 2.5
    np.testing.assert_allclose(metres, counts[:, 0] / 5000, rtol=1e-6)


def test_a_depth_scale_without_depth(run_path, held_out):
    run = open_run(run_path)
    run.data["modalities"] = ["rgb"]
    with pytest.raises(InputError, match="--depth-scale would change nothing, .* takes rgb"):
        calibration.frames_of(run, held_out, 0.001)
    assert set(calibration.frames_of(run, held_out)[0]) == {"rgb"}


def test_the_demo_registers_depth_of_another_camera(artifacts, tmp_path, capsys):
    rgb, depth = np.zeros((48, 64, 3), np.uint8), np.full((24, 32), 2.0, np.float32)
    depth[:, 16:] = 3
    for name in ("rgb", "depth"):
        (tmp_path / "in" / name).mkdir(parents=True)
    Image.fromarray(rgb).save(tmp_path / "in/rgb/0.png")
    np.save(tmp_path / "in/depth/0.npy", depth)
    rig = {
        "rgb": {"fx": 60, "fy": 60, "cx": 31.5, "cy": 23.5},
        "depth": {"fx": 30, "fy": 30, "cx": 15.5, "cy": 11.5, "translation": [0.1, 0, 0]},
    }
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    command = [
        "demo",
        "--artifact",
        str(artifacts["fp32"]),
        "--source",
        f"frames:{tmp_path / 'in'}",
    ]
    command += ["--out", str(tmp_path / "out"), "--no-unit-check"]
    assert main(command) == 0
    assert "scaled, as if both showed the same; --cameras registers" in capsys.readouterr().out
    assert main([*command, "--cameras", str(tmp_path / "rig.json")]) == 0
    assert "scaled" not in capsys.readouterr().out
    manifest = manifests.load(artifacts["fp32"])
    (frame,) = open_source(
        f"frames:{tmp_path / 'in'}", manifest, Options(cameras=read_cameras(tmp_path / "rig.json"))
    )
    # A tenth of a metre is 60 * 0.1 / 2 = 3 pixels at 2 m and 2 at 3 m: the near side covers one more.
    row = frame.images["depth"][24]
    assert frame.images["depth"].shape == (48, 64)
    assert row.tolist() == [0] * 3 + [2] * 32 + [3] * 29
    for source in ("rooms", "realsense"):
        wrong = [*command[:4], source, *command[5:], "--cameras", str(tmp_path / "rig.json")]
        assert main(wrong) == 2
        assert "--cameras registers the depth of frames:FOLDER" in capsys.readouterr().err
