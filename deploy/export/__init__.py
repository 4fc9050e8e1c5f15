"""Writers: a frozen Keras model into the file format of an engine."""
