"""Weights from and to PyTorch: the authors' checkpoints (`torch_cen`) and `torch_resnet`."""
