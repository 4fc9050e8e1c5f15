"""Channel-Exchanging Networks (Wang et al., NeurIPS 2020) for Keras.

Importing this package registers its layers and models, so that `keras.models.load_model` reads their `.keras` files.
"""

__version__ = "0.1.0"
