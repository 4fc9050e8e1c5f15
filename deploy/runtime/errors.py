"""The one error of the board's part for what a user can mend."""


class InputError(ValueError):
    """Something given from outside does not fit.

    The message names the file or argument, what was found, what was wanted and the way out;
    commands print it as one line and end with exit code 2.
    """
