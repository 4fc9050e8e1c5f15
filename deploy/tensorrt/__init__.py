"""Engines of TensorRT: built on the board (`builder`), or ahead of time for named GPUs by TensorRT for RTX
(`ahead`), whose compiler also judges a file without a GPU (`compiler`).

Runners are a board's and lie in `deploy.runtime`.
"""
