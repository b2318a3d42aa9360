"""Scoring detections as COCO does, from two files to twelve numbers: 5,000 images, 37,061 objects, 370,610 detections, made by
eval/examples/coco_case.rs. Each side is a process and is timed as a whole. The numbers must be those of pycocotools."""

import json
import os
import subprocess
import sys

from rounds import PEERS, ROOT, Contest, watch

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
TOLERANCE = 1e-12


def contests(options, folder):
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "eval", "--example", "coco_case"], cwd=ROOT, check=True)
    subprocess.run([ROOT / target / "release/examples/coco_case", folder], check=True)
    files = [folder / "annotations.json", folder / "predictions.json"]
    yield contest("COCO scoring", options.pipeline, files, "bbox", ["pycocotools", "faster_coco_eval"])


def contest(name, pipeline, files, iou_type, peers):
    """The program and peers on the same files; ends the benchmark where its numbers are not pycocotools'."""
    words = ["score", "--task", "detect", "--iou-type", iou_type, "--annotations", files[0], "--predictions", files[1], "--json"]
    sides = {"this program": [pipeline, *words]}
    sides |= {peer: [sys.executable, PEERS / "scoring.py", peer, *files, iou_type] for peer in peers}
    threads = len(os.sched_getaffinity(0))
    numbers = {}

    def run(side):
        output, figures = watch(sides[side], threads)
        found = json.loads(output)
        numbers[side] = found if side in peers else [found["stats"][name] for name in NAMES]
        if {"this program", "pycocotools"} <= numbers.keys():
            largest = max(abs(a - b) for a, b in zip(numbers["this program"], numbers["pycocotools"], strict=True))
            if largest > TOLERANCE:
                sys.exit(f"{name}: a number differs from pycocotools' by {largest:.2g}")
        return figures

    runs = {side: lambda side=side: run(side) for side in sides}
    return Contest(name, {"seconds": "s", "peak_mb": "MB"}, runs, against="pycocotools")
