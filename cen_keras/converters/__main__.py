r"""Turns an official checkpoint into a `.keras` file.

python -m cen_keras.converters CKPT --model refinenet101 --out model.keras
python -m cen_keras.converters checkpoint-gen.pkl --model translator --out model.keras \
    --modalities reshading edge_texture --target rgb --discriminator checkpoint-dis.pkl
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from cen_keras.errors import InputError
from cen_keras.quiet import import_keras
from cen_keras.training.console import run_command

# Name of a model -> keyword arguments of the Segmenter that computes what the official code does.
OFFICIAL = {
    "decoder": "refinenet",
    "fusion": {"name": "exchange", "scope": "all", "threshold": 2e-2},
}
MODELS = {
    f"refinenet{depth}": {"backbone": f"resnet{depth}", **OFFICIAL} for depth in (50, 101, 152)
}
TRANSLATOR = "translator"


def parser() -> argparse.ArgumentParser:
    """Returns the command's parser."""
    made = argparse.ArgumentParser(
        prog="python -m cen_keras.converters",
        description="Converts a CEN checkpoint of the official PyTorch code to a .keras file. "
        "Nothing in the checkpoint is executed; every tensor must find its place.",
        epilog="Exit codes: 0 good, 2 bad input, 130 interrupted.",
    )
    made.add_argument("checkpoint", metavar="CKPT", help="the .pth, .pth.tar or .pkl file")
    made.add_argument(
        "--model", required=True, choices=[*sorted(MODELS), TRANSLATOR], help="its architecture"
    )
    made.add_argument("--out", required=True, metavar="FILE", help="the .keras file to write")
    made.add_argument(
        "--num-classes", type=int, default=40, metavar="N", help="default 40, as for NYUDv2"
    )
    made.add_argument(
        "--modalities",
        nargs="+",
        default=["rgb", "depth"],
        metavar="NAME",
        help="in the official order; default rgb depth",
    )
    made.add_argument("--target", metavar="NAME", help="of a translator: the domain it makes")
    made.add_argument(
        "--discriminator",
        metavar="FILE",
        help="of a translator: the discriminator's file; without it, it has random weights",
    )
    return made


def convert(arguments: argparse.Namespace) -> int:
    """Reads the checkpoint, builds the model, loads and saves it; returns the exit code.

    Raises:
        InputError: a file name or number that does not fit, or a checkpoint that does not.
        OSError: a file that cannot be read or written.
    """
    out = Path(arguments.out)
    if out.suffix != ".keras":
        raise InputError(f"--out {out} must end in .keras.")
    if arguments.num_classes < 1:
        raise InputError(f"--num-classes is at least 1; found {arguments.num_classes}.")

    # The imports take seconds; --help and a wrong name should not.
    from cen_keras.converters.checkpoint_file import read_checkpoint

    translates = arguments.model == TRANSLATOR
    if translates != (arguments.target is not None) or arguments.discriminator and not translates:
        raise InputError(
            f"--model {TRANSLATOR} wants --target NAME and takes --discriminator FILE; no other does."
        )
    checkpoint = read_checkpoint(arguments.checkpoint)
    discriminator = read_checkpoint(arguments.discriminator) if arguments.discriminator else None
    for name, found in (
        (arguments.checkpoint, checkpoint),
        (arguments.discriminator, discriminator),
    ):
        if name and not isinstance(found, Mapping):
            raise InputError(
                f"{name}: holds a {type(found).__name__}; wanted a dict of tensors by name, as "
                "torch.save of a state_dict writes it."
            )
    import_keras()
    from cen_keras.files import atomic_path

    make = _translator if translates else _segmenter
    model, what = make(arguments, checkpoint, discriminator)
    with atomic_path(out) as temporary:
        model.save(temporary)
    sys.stdout.write(
        f"{out}: {arguments.model}, {', '.join(model.modalities)}, {what}, "
        f"{model.count_params():,} parameters from {arguments.checkpoint}\n"
    )
    return 0


def _segmenter(arguments, checkpoint, discriminator):
    """Returns the loaded Segmenter and what there is to say of it."""
    from cen_keras.converters import torch_cen
    from cen_keras.models import Segmenter

    model = Segmenter(tuple(arguments.modalities), arguments.num_classes, **MODELS[arguments.model])
    torch_cen.load(checkpoint, model, name=arguments.checkpoint)
    return model, f"{model.num_classes} classes"


def _translator(arguments, checkpoint, discriminator):
    """Returns the loaded Translator, its widths those of the files, and what there is to say of it."""
    from cen_keras.converters import torch_cen
    from cen_keras.converters.torch_cen_translation import width_of
    from cen_keras.models import Translator

    model = Translator(
        tuple(arguments.modalities),
        arguments.target,
        base_filters=width_of(checkpoint),
        discriminator_filters=width_of(discriminator or {}),
    )
    torch_cen.load(checkpoint, model.generator, name=arguments.checkpoint)
    if discriminator is not None:
        torch_cen.load(discriminator, model.discriminator, name=arguments.discriminator)
    return model, f"to {arguments.target}"


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_command(lambda: convert(parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
