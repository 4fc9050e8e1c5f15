"""`import cen_keras` is enough for `keras.models.load_model`, without loading Keras for those who do not need it.

Keras finds a saved class only when its module has been imported. Importing the models with the package would make
every command's `--help` wait seconds for TensorFlow, and the board's part has no Keras at all. So the models are
imported with Keras: at once where it is loaded already, right after it otherwise.
"""

import importlib
import importlib.abc
import importlib.util
import sys

# Modules that do without Keras. Who imports another one gets Keras from within it; importing the models then would
# come back to a half-made module.
_LIGHT = (
    "registration",
    "errors",
    "field_types",
    "quiet",
    "files",
    "parts",
    "lookup",
    "classes",
    "modalities",
    "plugins",
)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Lets the usual finders load Keras, then imports the models."""

    def find_spec(self, name, path=None, target=None):
        """Takes part in one import only: that of Keras."""
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def load_and_register(module):
                load(module)
                if not any(map(_needs_keras, sys.modules)):
                    importlib.import_module("cen_keras.models")

            spec.loader.exec_module = load_and_register
        return spec


def _needs_keras(module: str) -> bool:
    package, _, rest = module.partition(".")
    return package == "cen_keras" and bool(rest) and rest.split(".")[0] not in _LIGHT


def register_with_keras() -> None:
    """Imports the models now if Keras is loaded, otherwise right after it will have been."""
    if sys.modules.get("keras"):
        importlib.import_module("cen_keras.models")
    else:
        sys.meta_path.insert(0, _AfterKeras())
