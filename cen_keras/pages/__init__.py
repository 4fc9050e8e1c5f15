"""Pages about a training: figures, pictures, and the log page of a run folder."""
