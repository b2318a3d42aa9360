"""Training steps on all processors: MobileOne in train form as classifier, under SSDLite and under DeepLabV3, on timm's and
torchvision's side the same networks by their modules, eager."""

import json
import os

from rounds import Contest, peer, run

# The heads of torchvision's own models.
HEADS = {
    "classify": [],
    "detect": ["head.extra_channels=[512,256,256,128]"],
    "segment": ["backbone.output_stride=16", "head.channels=256", "head.separable=false", "head.rates=[6,12,18]"],
}
# Network, side of the images, images of a step.
STEPS = [
    ("classify", "s0", 128, 32),
    ("classify", "s1", 128, 32),
    ("classify", "s0", 224, 16),
    ("classify", "s1", 224, 16),
    ("detect", "s0", 320, 8),
    ("segment", "s0", 256, 4),
]


def contests(options, folder):
    run([options.pipeline, "data", "shapes", folder / "shapes"], 1)
    threads = len(os.sched_getaffinity(0))
    for task, variant, side, batch in STEPS:
        changes = [f"data.root={folder / 'shapes'}", f"data.size={side}", "data.workers=1", f"train.batch_size={batch}",
                   "backbone.spec=null", f"backbone.variant={variant}", *HEADS[task]]

        def ours(task=task, changes=tuple(changes)):
            words = [options.pipeline, "bench", "--train", f"shapes/{task}", "--seconds", options.seconds, "--json"]
            for change in changes:
                words += ["--set", change]
            return {"steps": json.loads(run(words, threads))["rows"][0]["images_per_second"]["steps"]}

        def theirs(arguments=(task, variant, side, batch)):
            return {"steps": peer("training.py", *arguments, options.seconds, threads=threads)["images_per_second"]}

        name = "torchvision on timm's backbone" if task != "classify" else "timm eager"
        yield Contest(f"{task} {variant}, {side} px, batches of {batch}", {"steps": "images/s"},
                      {"this program": ours, name: theirs}, against=name)
