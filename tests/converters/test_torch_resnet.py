"""ImageNet weights in torchvision's layout, against a ResNet 1.5 written in torch functions."""

import numpy as np
import pytest
from seeded import outputs_of
from tiny_resnets import narrow_resnets

from cen_keras.converters import torch_resnet
from cen_keras.errors import InputError
from cen_keras.models import Segmenter


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    narrow_resnets(monkeypatch, shallow=False)


def imagenet(model, seed=0):
    """Returns a state dict in torchvision's layout with the depth of a model, classifier included."""
    rng = np.random.default_rng(seed)
    state = {}
    for pair in torch_resnet.resnet_pairs(model):
        if pair.key.endswith("num_batches_tracked"):
            continue  # the files of 2017 hold none
        fan = max(1, int(np.prod(pair.shape[1:])))
        value = rng.normal(0, (2 / fan) ** 0.5 if len(pair.shape) == 4 else 0.3, pair.shape)
        if pair.key.endswith("running_var") or (len(pair.shape) == 1 and "weight" in pair.key):
            value = rng.uniform(0.5, 1.5, pair.shape)
        state.setdefault(pair.key, value.astype("float32"))
    return {**state, "fc.weight": np.zeros((1000, 8)), "fc.bias": np.zeros(1000)}


def torch_features(state, images, blocks, dilations=(1, 1, 1, 1)):
    """Runs ResNet 1.5 as torchvision describes it, on a (b, 3, h, w) tensor; four stages' outputs."""
    import torch
    from torch.nn import functional as F

    w = {key: torch.from_numpy(np.asarray(value, "float32")) for key, value in state.items()}

    def norm(x, name):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(w[f"{name}.{n}"] for n in names), eps=1e-5)

    x = F.relu(norm(F.conv2d(images, w["conv1.weight"], stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    features = []
    for stage, (count, d) in enumerate(zip(blocks, dilations, strict=True), start=1):
        for b in range(count):
            p = f"layer{stage}.{b}"
            stride = 2 if b == 0 and stage > 1 and d == 1 else 1
            shortcut = x
            if f"{p}.downsample.0.weight" in w:
                shortcut = F.conv2d(x, w[f"{p}.downsample.0.weight"], stride=stride)
                shortcut = norm(shortcut, f"{p}.downsample.1")
            convs = [n for n in (1, 2, 3) if f"{p}.conv{n}.weight" in w]
            for n in convs:
                kernel = w[f"{p}.conv{n}.weight"]
                wide = kernel.shape[-1] == 3
                strided = n == (2 if len(convs) == 3 else 1)
                x = F.conv2d(
                    x,
                    kernel,
                    stride=stride if strided else 1,
                    padding=d if wide else 0,
                    dilation=d if wide else 1,
                )
                x = norm(x, f"{p}.bn{n}")
                x = F.relu(x) if n != convs[-1] else x
            x = F.relu(x + shortcut)
        features.append(x.numpy().transpose(0, 2, 3, 1))
    return features


@pytest.mark.parametrize(
    ("backbone", "blocks", "dilations"),
    [
        ("resnet18", (2, 2, 2, 2), (1, 1, 1, 1)),
        ("resnet50", (3, 4, 6, 3), (1, 1, 1, 1)),
        ("resnet50_dilated", (3, 4, 6, 3), (1, 1, 2, 4)),
    ],
)
def test_every_modality_computes_what_torch_computes(backbone, blocks, dilations):
    torch = pytest.importorskip("torch")
    import keras

    model = Segmenter(("rgb", "depth"), 3, backbone, fusion=None)
    state = imagenet(model)
    decoder = [v.numpy() for v in model.get_layer("classifier").weights]
    torch_resnet.load(state, model)

    rng = np.random.default_rng(1)
    # Odd sizes show a padding on the wrong side.
    x = {"rgb": rng.normal(size=(1, 45, 67, 3)), "depth": rng.normal(size=(1, 45, 67, 1))}
    x = {m: v.astype("float32") for m, v in x.items()}
    last = 2 if backbone == "resnet18" else 3
    outputs = {
        f"{stage}_{m}": output
        for stage, count in enumerate(blocks, start=1)
        for m, output in outputs_of(model, f"stack{stage}_block{count}_relu{last}").items()
    }
    found = keras.Model(model.input, outputs)(x)
    for m, image in x.items():
        image = np.repeat(image, 3 // image.shape[-1], -1).transpose(0, 3, 1, 2)
        wanted = torch_features(state, torch.from_numpy(image.copy()), blocks, dilations)
        for stage, features in enumerate(wanted, start=1):
            # Float32 sums of up to 150 terms in at most 53 layers: 53 ** 0.5 * 12 * 6e-8 = 5e-6 of
            # the largest value, and the private norms may amplify it by some.
            scale = np.abs(features).max()
            np.testing.assert_allclose(found[f"{stage}_{m}"], features, atol=5e-5 * scale)
    after = [v.numpy() for v in model.get_layer("classifier").weights]
    assert all(np.array_equal(a, b) for a, b in zip(decoder, after, strict=True))


def test_another_depth_is_refused_and_nothing_loaded():
    model = Segmenter(("rgb", "depth"), 3, "resnet18")
    before = model.get_weights()
    state = imagenet(Segmenter(("rgb",), 3, "resnet34"))
    with pytest.raises(InputError, match=r"unexpected: layer1\.2\.conv1\.weight.*resnet18"):
        torch_resnet.load(state, model)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_only_resnets_have_a_counterpart():
    model = Segmenter(("rgb",), 3, "narrow")
    with pytest.raises(InputError, match="'narrow' has no counterpart.*resnet101"):
        torch_resnet.load({"conv1.weight": np.zeros((1, 1, 1, 1))}, model)


def test_a_file(tmp_path):
    torch = pytest.importorskip("torch")
    model = Segmenter(("rgb",), 3, "resnet18")
    state = imagenet(model)
    path = tmp_path / "resnet18-5c106cde.pth"
    torch.save({k: torch.nn.Parameter(torch.tensor(v)) for k, v in state.items()}, path)
    torch_resnet.load(path, model)
    kernel = model.get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(kernel, state["conv1.weight"].transpose(2, 3, 1, 0))
