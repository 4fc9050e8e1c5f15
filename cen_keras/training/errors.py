"""What can go wrong with a training itself; without Keras, so that commands can name it cheaply."""


class NonFiniteError(RuntimeError):
    """The loss or a weight became NaN or infinite; the message says at which epoch and step."""
