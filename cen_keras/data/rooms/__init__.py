"""Generated indoor rooms: an RGB-D data set that is always there, with the 13 classes of NYUDv2."""
