"""Image size of the run that `conftest.py` makes."""

SIZE = (48, 64)
