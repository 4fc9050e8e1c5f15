"""Channel-Exchanging Networks (Wang et al., NeurIPS 2020) for Keras.

Importing this package is enough for `keras.models.load_model` to read its `.keras` files.
"""

from cen_keras.registration import register_with_keras

__version__ = "0.1.0"

register_with_keras()
