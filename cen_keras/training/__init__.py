"""What a training run needs beside Keras: optimiser, checkpoint, logs."""
