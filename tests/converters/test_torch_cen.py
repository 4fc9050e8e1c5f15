"""Official segmentation checkpoints into a Segmenter and back: every key, every bit, or nothing."""

import sys
from collections import OrderedDict

import numpy as np
import pytest
import reference
from tiny_resnets import narrow_resnets, random_state, refinenet

from cen_keras.converters import torch_cen
from cen_keras.errors import InputError
from cen_keras.models import Segmenter


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    narrow_resnets(monkeypatch)


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as monkeypatch:
        narrow_resnets(monkeypatch)
        return refinenet()


@pytest.fixture
def state(model):
    return random_state(torch_cen.state_dict(model))


def same_weights(model, before):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def check_loaded(model, state):
    back = torch_cen.state_dict(model)
    assert list(back) == list(state)
    for key, value in state.items():
        # A counter counts nothing that the forward pass reads: it is written as torch starts it.
        wanted = np.zeros((), "int64") if key.endswith("num_batches_tracked") else value
        assert back[key].dtype == wanted.dtype
        np.testing.assert_array_equal(back[key], wanted, err_msg=key)


@pytest.mark.parametrize(
    "depth",
    [50, pytest.param(101, marks=pytest.mark.slow), pytest.param(152, marks=pytest.mark.slow)],
)
def test_names_and_order_are_the_official_ones(depth, monkeypatch):
    monkeypatch.undo()
    narrow_resnets(monkeypatch, shallow=False)
    backbone = f"resnet{depth}"
    small = refinenet(backbone=backbone, num_classes=40)
    found = torch_cen.state_dict(small)
    wanted = reference.keys(f"refinenet{depth}")
    assert list(found) == list(wanted)
    assert [v.ndim for v in found.values()] == [len(shape) for shape in wanted.values()]


def test_shapes_are_the_official_ones(monkeypatch):
    monkeypatch.undo()
    full = Segmenter(num_classes=40, backbone="resnet50", decoder="refinenet")
    found = {key: value.shape for key, value in torch_cen.state_dict(full).items()}
    assert found == reference.keys("refinenet50")


@pytest.mark.parametrize(("modalities", "norms"), [(("rgb",), 17), (("a", "b", "c"), 51)])
def test_other_numbers_of_modalities(modalities, norms):
    # The stem's norm and, in four blocks, three norms and the projection's, of five tensors each.
    model = refinenet(modalities)
    state = random_state(torch_cen.state_dict(model))
    assert sum(key.endswith("running_mean") for key in state) == norms
    torch_cen.load(state, model)
    check_loaded(model, state)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_round_trip_is_exact_for_every_form_of_a_mapping(model, state, prefix, wrapped):
    given = OrderedDict((prefix + key, value) for key, value in state.items())
    torch_cen.load({"segmenter": given, "epoch_start": 3} if wrapped else given, model)
    check_loaded(model, state)


def test_tensors_of_torch_and_counters_missing_as_in_old_files(model, state):
    torch = pytest.importorskip("torch")
    given = {
        key: torch.nn.Parameter(torch.from_numpy(value))
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    torch_cen.load(given, model)
    check_loaded(model, state)


def test_a_mapping_needs_no_torch(model, state, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    torch_cen.load(state, model)
    check_loaded(model, state)


@pytest.mark.parametrize("parallel", [True, False])
def test_files_there_and_back(model, state, tmp_path, parallel):
    torch = pytest.importorskip("torch")
    path = tmp_path / "ours.pth.tar"
    torch_cen.load(state, model)
    torch_cen.save(model, path, parallel=parallel)
    saved = torch.load(path, weights_only=True)["segmenter"]
    assert list(saved) == [("module." if parallel else "") + key for key in state]
    other = refinenet()
    torch_cen.load(path, other)
    check_loaded(other, state)
    # And the authors' own form: DataParallel, zip, NumPy's float as the score.
    given = {f"module.{key}": torch.from_numpy(value) for key, value in state.items()}
    torch.save({"segmenter": given, "epoch_start": 9, "best_val": np.float64(51.1)}, path)
    torch_cen.load(path, model)
    check_loaded(model, state)


def test_every_mismatch_is_listed_and_nothing_loaded(model, state):
    before = model.get_weights()
    del state["alpha"], state["layer1.0.bn2.bn_1.running_var"]
    state["clf_conv.module.bias"] = np.zeros(7, "float32")
    state["layer9.0.conv1.module.weight"] = np.zeros((1, 1, 1, 1), "float32")
    state["bn1.bn_0.bias"] = np.full(4, np.nan, "float32")
    state["bn1.bn_0.weight"] = "four"
    with pytest.raises(InputError) as error:
        torch_cen.load(state, model)
    for part in (
        "2 missing: alpha, layer1.0.bn2.bn_1.running_var",
        "1 unexpected: layer9.0.conv1.module.weight",
        "1 of another shape: clf_conv.module.bias (7,) instead of (5,)",
        "2 not usable: bn1.bn_0.weight (str), bn1.bn_0.bias (not finite)",
        "Nothing was loaded",
    ):
        assert part in str(error.value)
    assert same_weights(model, before)


@pytest.mark.gate
def test_another_depth_class_count_or_number_of_modalities_is_described(monkeypatch):
    monkeypatch.undo()
    narrow_resnets(monkeypatch, shallow=False)
    model = refinenet()
    before = model.get_weights()
    deeper = torch_cen.state_dict(refinenet(backbone="resnet101", num_classes=37))
    with pytest.raises(InputError, match="refinenet101 with 2 modalities and 37 classes") as error:
        torch_cen.load(deeper, model)
    # 17 blocks with 3 convolutions, 3 norms for either modality: 561 tensors; a dozen is named.
    assert "561 unexpected: layer3.6.conv1.module.weight" in str(error.value)
    assert "and 549 more" in str(error.value)
    with pytest.raises(InputError, match="refinenet50 with 1 modalities and 5 classes"):
        torch_cen.load(torch_cen.state_dict(refinenet(("rgb",))), model)
    assert same_weights(model, before)


@pytest.mark.parametrize("given", [{}, {"segmenter": 3, 4: 5}, {1: np.zeros(2)}])
def test_no_state_dict(model, given):
    with pytest.raises(InputError, match="holds no state dict"):
        torch_cen.load(given, model)


def test_architectures_that_the_official_code_has_not():
    light = Segmenter(num_classes=3, backbone="resnet50", decoder="light_refinenet")
    with pytest.raises(InputError, match="light_refinenet"):
        torch_cen.state_dict(light)
    with pytest.raises(InputError, match="Dense"):
        torch_cen.load({"a": np.zeros(1)}, __import__("keras").layers.Dense(1))


def test_a_model_that_exchanges_less_than_the_official_code_is_reported(state, caplog):
    model = Segmenter(
        num_classes=5,
        backbone="resnet50",
        decoder="refinenet",
        decoder_options={"filters": 4, "deep_filters": 8},
    )
    torch_cen.load(state, model)
    assert 'Exchange(scope="all")' in caplog.text
