"""Turns an official checkpoint into a `.keras` file.

python -m cen_keras.converters CKPT --model refinenet101 --out model.keras
"""

import argparse
import errno
import sys
from pathlib import Path

from cen_keras.errors import InputError
from cen_keras.quiet import import_keras

# Name of a model -> keyword arguments of the Segmenter that computes what the official code does.
OFFICIAL = {"decoder": "refinenet", "exchange_scope": "all", "exchange_threshold": 2e-2}
MODELS = {
    f"refinenet{depth}": {"backbone": f"resnet{depth}", **OFFICIAL} for depth in (50, 101, 152)
}
# Errors of the operating system that the user can mend.
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOTDIR)


def parser() -> argparse.ArgumentParser:
    """Returns the command's parser."""
    made = argparse.ArgumentParser(
        prog="python -m cen_keras.converters",
        description="Converts a CEN checkpoint of the official PyTorch code to a .keras file. "
        "Nothing in the checkpoint is executed; every tensor must find its place.",
        epilog="Exit codes: 0 good, 2 bad input, 130 interrupted.",
    )
    made.add_argument("checkpoint", metavar="CKPT", help="the .pth or .pth.tar file")
    made.add_argument("--model", required=True, choices=sorted(MODELS), help="its architecture")
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
    return made


def convert(arguments: argparse.Namespace) -> None:
    """Reads the checkpoint, builds the model, loads and saves it.

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

    checkpoint = read_checkpoint(arguments.checkpoint)
    import_keras()
    from cen_keras.converters import torch_cen
    from cen_keras.files import atomic_path
    from cen_keras.models import Segmenter

    model = Segmenter(tuple(arguments.modalities), arguments.num_classes, **MODELS[arguments.model])
    torch_cen.load(checkpoint, model, name=arguments.checkpoint)
    with atomic_path(out) as temporary:
        model.save(temporary)
    sys.stdout.write(
        f"{out}: {arguments.model}, {', '.join(model.modalities)}, {model.num_classes} classes, "
        f"{model.count_params():,} parameters from {arguments.checkpoint}\n"
    )


def main(argv: list[str] | None = None) -> int:
    """Runs the command; an error that the user can mend becomes one line on standard error."""
    arguments = parser().parse_args(argv)
    try:
        convert(arguments)
    except (InputError, FileNotFoundError) as error:
        return _refuse(error)
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        return _refuse(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
