"""Reading and augmenting JPEG files in two workers: the augmentations of SSD, and those of a classifier."""

import json
import sys

from rounds import PEERS, Contest, peer, run

# Pictures of 500x375 in the layouts of COCO and of class folders, written by the peer's own encoder.
WORKERS = 2


def contests(options, folder):
    run([sys.executable, PEERS / "pictures.py", folder], 2)
    for task, side, batch in [("detect", 320, 16), ("classify", 224, 32)]:
        changes = [f"data.root={folder}", f"data.size={side}", f"data.workers={WORKERS}", f"train.batch_size={batch}"]

        def ours(task=task, changes=tuple(changes)):
            words = [options.pipeline, "bench", "--train", folder / f"{task}.yaml", "--seconds", options.seconds, "--json"]
            for change in changes:
                words += ["--set", change]
            return {"loader": json.loads(run(words, 1))["rows"][0]["images_per_second"]["loader"]}

        def theirs(task=task, side=side, batch=batch):
            found = peer("loading.py", task, folder, side, batch, WORKERS, options.seconds, threads=1)
            return {"loader": found["images_per_second"]}

        yield Contest(f"{task}, {side} px", {"loader": "images/s"}, {"this program": ours, "torchvision v2": theirs},
                      against="torchvision v2")
