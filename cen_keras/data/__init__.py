"""RGB-D data: the readers, the generated rooms, augmentation and the batches that `fit` takes."""
