"""ONNX: from a frozen Keras model to an .onnx file of any scheme. `pipeline.PASSES` is the whole way."""
