"""Official translation checkpoints into a Translator and back: every tensor the forward pass reads."""

import keras
import numpy as np
import pytest
import reference

from cen_keras.converters import torch_cen
from cen_keras.errors import InputError
from cen_keras.models import Translator

# Norms that the official code makes and never calls.
UNUSED = {
    "generator": ("conv1.insnorm", "conv8.insnorm", "deconv8.insnorm"),
    "discriminator": ("conv1.insnorm", "conv5.insnorm"),
}


@pytest.fixture(scope="module")
def model():
    return Translator(("a", "b"), "c", base_filters=16, discriminator_filters=16)


def check(part, name, state):
    back = torch_cen.state_dict(part)
    assert list(back) == list(state)
    for key, value in state.items():
        assert back[key].shape == value.shape and back[key].dtype == value.dtype, key
        if not key.startswith(UNUSED[name]) and not key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(back[key], value, err_msg=key)
    unused = f"{UNUSED[name][0]}"
    scales = [v for k, v in back.items() if k.startswith(unused) and k.endswith("weight")]
    assert all((scale == 1).all() for scale in scales) and scales


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_round_trip_is_exact_and_in_the_official_order(model, name):
    state = reference.state_dict(f"{name}16")
    part = getattr(model, name)
    torch_cen.load(state, part)
    check(part, name, state)


def test_a_translator_takes_either_file_by_its_names(model):
    other = Translator(("a", "b"), "c", base_filters=16, discriminator_filters=16)
    for name in ("discriminator", "generator"):
        torch_cen.load(reference.state_dict(f"{name}16"), other)
        check(getattr(other, name), name, reference.state_dict(f"{name}16"))
    with pytest.raises(InputError, match="two networks"):
        torch_cen.state_dict(other)


@pytest.mark.parametrize("modalities", [("a",), ("a", "b", "d", "e")])
def test_other_numbers_of_modalities(modalities):
    options = {"base_filters": 2, "discriminator_filters": 2}
    model = Translator(modalities, "c", **options)
    rng = np.random.default_rng(0)
    state = {
        key: rng.normal(size=value.shape).astype(value.dtype)
        for key, value in torch_cen.state_dict(model.generator).items()
    }
    # Sixteen norms in the encoder and decoder for every modality, of five tensors, two of each convolution, alpha.
    assert len(state) == 1 + 2 * 16 + 5 * 16 * len(modalities)
    torch_cen.load(state, model)
    check(model.generator, "generator", state)


def test_files_there_and_back(model, tmp_path):
    torch = pytest.importorskip("torch")
    state = reference.state_dict("generator16")
    torch_cen.load(state, model)
    path = tmp_path / "checkpoint-gen.pkl"
    torch_cen.save(model.generator, path)
    assert list(torch.load(path, weights_only=True)) == list(state)
    other = Translator(("a", "b"), "c", base_filters=16, discriminator_filters=16)
    torch_cen.load(path, other)
    check(other.generator, "generator", state)


def test_what_does_not_fit_is_described(model):
    before = model.get_weights()
    wide = Translator(("a", "b"), "c", base_filters=8, discriminator_filters=8)
    with pytest.raises(InputError, match="a generator with 2 modalities and 8 filters"):
        torch_cen.load(torch_cen.state_dict(wide.generator), model)
    with pytest.raises(InputError, match="a discriminator with 8 filters"):
        torch_cen.load(torch_cen.state_dict(wide.discriminator), model)
    shallow = Translator(("a", "b"), "c", base_filters=8, depth=5)
    with pytest.raises(InputError, match="depth=8"):
        torch_cen.load(reference.state_dict("generator16"), shallow)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_the_command_makes_a_keras_file_of_both_parts(tmp_path, monkeypatch, capsys):
    """Files are read by PyTorch; here they are there already, so that it runs without."""
    from cen_keras.converters import __main__ as command
    from cen_keras.converters import checkpoint_file

    files = {f"{name}.pkl": reference.state_dict(f"{name}16") for name in UNUSED}
    monkeypatch.setattr(checkpoint_file, "read_checkpoint", lambda path: files[str(path)])
    out = tmp_path / "model.keras"
    words = "generator.pkl --model translator --modalities a b --out"
    arguments = [*words.split(), str(out)]
    both = [*arguments, "--target", "c", "--discriminator", "discriminator.pkl"]
    assert command.main(both) == 0
    assert "translator, a, b, to c" in capsys.readouterr().out
    again = keras.models.load_model(out)
    check(again.generator, "generator", files["generator.pkl"])
    check(again.discriminator, "discriminator", files["discriminator.pkl"])
    assert command.main(arguments) == 2
    assert "wants --target" in capsys.readouterr().err
    swapped = ["discriminator.pkl", *both[1:]]
    assert command.main(swapped) == 2
    error = capsys.readouterr().err
    assert "looks like a discriminator" in error and error.count("\n") == 1
