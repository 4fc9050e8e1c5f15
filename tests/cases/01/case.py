"""An artifact of rgb and thermal reads thermal/ of a folder of frames."""

import sys

import common
import thermal

from deploy.demo import sources
from deploy.runtime import manifest

W, RUN = thermal.W, thermal.W / "run"
thermal.train(RUN, sys.argv[1])
artifact, source = RUN / "tflite/fp32.tflite", f"frames:{W / 'd/val'}"
common.deploy("export", RUN)
common.deploy(
    *("demo", "--artifact", artifact, "--source", source),
    *("--out", W / "out", "--json", W / "out.json"),
)
wanted = manifest.load(artifact)
frame = next(iter(sources.open_source(source, wanted, sources.Options())))
print("the artifact wants", list(wanted.inputs), "- the source gives", list(frame.images))
