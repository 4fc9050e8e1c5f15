"""The error of the modules of this package that a board runs too: they name it relative to themselves."""

from cen_keras.errors import InputError

__all__ = ["InputError"]
