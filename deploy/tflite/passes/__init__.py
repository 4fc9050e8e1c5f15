"""The passes of .tflite models, a file each. Each says what it needs and what it promises; the order is
in `pipeline.PASSES`.
"""
