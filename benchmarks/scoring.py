"""Scoring detections as COCO does, from two files to twelve numbers: 5,000 images, 37,061 objects, 370,610 detections, made by
eval/examples/coco_case.rs. Each side is a process and is timed as a whole."""

import os
import subprocess
import sys

from rounds import PEERS, ROOT, Contest, watch


def contests(options, folder):
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "eval", "--example", "coco_case"], cwd=ROOT, check=True)
    subprocess.run([ROOT / target / "release/examples/coco_case", folder], check=True)
    files = [folder / "annotations.json", folder / "predictions.json"]
    threads = len(os.sched_getaffinity(0))
    sides = {
        "this program": [options.pipeline, "score", "--task", "detect", "--annotations", files[0], "--predictions", files[1], "--json"],
        "pycocotools": [sys.executable, PEERS / "scoring.py", "pycocotools", *files],
        "faster-coco-eval": [sys.executable, PEERS / "scoring.py", "faster_coco_eval", *files],
    }
    side = lambda command: lambda: watch(command, threads)[1]
    yield Contest("COCO scoring", {"seconds": "s", "peak_mb": "MB"}, {name: side(command) for name, command in sides.items()},
                  against="pycocotools")
