"""Trained weights that come with the package: for each a .npz of arrays and a .json that says of what.

The .json holds the arguments of the `Segmenter`, what deployment needs to know of the data, the
scores, the training, and the checksum of the .npz. `python -m recipes.pack` writes both.
"""
