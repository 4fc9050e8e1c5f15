"""The commands of `cen` and where they are: module names only, so that nothing is imported before it runs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that another package has.

    Attributes:
        module: whose `main(arguments)` is called.
        summary: one line.
        extra: of the installation that it needs.
        before: arguments in front of the user's.
    """

    module: str
    summary: str
    extra: str
    before: tuple[str, ...] = ()


def _deploy(name: str, summary: str, extra: str) -> Command:
    return Command("deploy.__main__", summary, extra, (name,))


COMMANDS = {
    "new": Command("recipes.new", "look at a folder of images and write a recipe for it", "train"),
    "train": Command("recipes.train", "train a recipe, or go on with a stopped run", "train"),
    "evaluate": Command("recipes.evaluate", "score a trained model", "train"),
    "predict": Command("recipes.predict", "segment a folder of raw images", "train"),
    "export": _deploy("export", "freeze a model and write an artifact", "train,export"),
    "verify": _deploy("verify", "compare an artifact with the trained model", "train,export"),
    "sensitivity": _deploy(
        "sensitivity", "rank the layers by what 8 bits cost in each", "train,export"
    ),
    "qat": _deploy("qat", "train on with the rounding of 8 bits", "train,export"),
    "bench": _deploy("bench", "time an artifact", "litert"),
    "lint": _deploy("lint", "check an .onnx file for a JetPack", "train,export"),
    "engine": _deploy("engine", "build TensorRT's engine on the board", "ort"),
    "demo": _deploy("demo", "run an artifact on frames: pictures or a live page", "litert"),
    "report": _deploy("report", "write one page about a run", "train,export"),
}
"""Name -> command."""

OWN = {
    "doctor": "say what is installed, which engines and cameras there are, and what is missing",
    "completion": "print the shell's completion: bash or zsh",
}
"""Commands of this package."""
