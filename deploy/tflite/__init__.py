"""LiteRT: from a frozen Keras model to a .tflite file of any scheme. `pipeline.PASSES` is the whole way."""
