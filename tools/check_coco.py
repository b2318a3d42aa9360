"""Compares this project's COCO statistics with pycocotools' on the same files; exit status 1 where they differ.

    tools/python
    .venv/bin/python tools/check_coco.py PREDICTIONS ANNOTATIONS OURS

PREDICTIONS is a COCO results file, ANNOTATIONS a COCO annotation file, and OURS a JSON report that holds the twelve
statistics by name, at any depth: {"stats": {"AP": 0.25, "AP50": ...}}.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
TOLERANCE = 1e-9


def reference(predictions, annotations):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        evaluation = COCOeval(truth, truth.loadRes(predictions), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def statistics(report):
    """The first object of the report with every name, depth first."""
    if isinstance(report, dict) and all(isinstance(report.get(name), (int, float)) for name in NAMES):
        return [report[name] for name in NAMES]
    children = report.values() if isinstance(report, dict) else report if isinstance(report, list) else []
    return next(filter(None, map(statistics, children)), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("predictions", "annotations", "ours"):
        parser.add_argument(name, metavar=name.upper())
    arguments = parser.parse_args()

    version = importlib.metadata.version("pycocotools")
    if version != "2.0.11":
        sys.exit(f"check_coco: pycocotools is {version}, the reference is 2.0.11; run tools/python")
    with open(arguments.ours) as file:
        ours = statistics(json.load(file))
    if ours is None:
        sys.exit(f"check_coco: {arguments.ours} has no object with the keys {', '.join(NAMES)}")

    theirs = reference(arguments.predictions, arguments.annotations)
    print(f"{'':6} {'ours':>20} {'pycocotools':>20} {'difference':>12}")
    differences = [abs(our - their) for our, their in zip(ours, theirs)]
    for row in zip(NAMES, ours, theirs, differences):
        print("{:6} {:20.16f} {:20.16f} {:12.3g}".format(*row))
    print(f"largest difference {max(differences):.3g}, tolerance {TOLERANCE:g}")
    return 0 if all(difference <= TOLERANCE for difference in differences) else 1


if __name__ == "__main__":
    sys.exit(main())
