"""What a board needs to run an artifact: numpy, Pillow and one engine, in syntax that Python 3.8
reads.

    from deploy.runtime.runner import open_runner
    from deploy.runtime.preprocess import Preprocessor, read_pair

    runner = open_runner("fp32.tflite")
    frame = read_pair("rgb/0.png", "depth/0.png", metres_per_count=0.001)
    logits = runner.run(Preprocessor(runner.inputs)(frame))["ensemble"]

Nothing here imports another package of the project; the host's `verify` and `bench` run this very
code, so that what they measure is what the board does.
"""
