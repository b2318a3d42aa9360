"""Compares our COCO evaluation with pycocotools on the same files, in alternation.

    .venv/bin/python benchmarks/coco_eval/run.py [--rounds 3] [--keep FOLDER]
    .venv/bin/python benchmarks/coco_eval/run.py --annotations A.json --predictions P.json [--iou-type segm]

Without files it scores the synthetic problem of eval/examples/coco_case.rs: 5,000 images, 37,061 objects, 370,610
detections. Each evaluation is a separate process that reads both files, scores them and reports its time without imports
and start. Peak memory is the largest resident set of the process; medians of the rounds.

Generated files are in a temporary folder, or in --keep. Prints a table, or with --json one object.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from side_by_side import compare, peer_command, summary, table


def build(target):
    """Builds the examples of the eval crate, optimised; returns their folder."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "build", "--release", "-p", "eval", "--examples"], cwd=ROOT, env=environment, check=True)
    return target / "release" / "examples"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--annotations", type=pathlib.Path)
    parser.add_argument("--predictions", type=pathlib.Path)
    parser.add_argument("--iou-type", choices=["bbox", "segm"], default="bbox")
    parser.add_argument("--keep", type=pathlib.Path, help="the folder for the synthetic problem, which is kept")
    parser.add_argument("--target", type=pathlib.Path, default=os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if (options.annotations is None) != (options.predictions is None):
        parser.error("--annotations and --predictions go together")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")

    examples = build(pathlib.Path(options.target))
    with tempfile.TemporaryDirectory() as temporary:
        annotations, predictions = options.annotations, options.predictions
        if annotations is None:
            folder = options.keep or pathlib.Path(temporary)
            subprocess.run([examples / "coco_case", folder], check=True)
            annotations, predictions = folder / "annotations.json", folder / "predictions.json"
        ours = [examples / "score_coco", annotations, predictions, options.iou_type]
        found = summary(compare(ours, peer_command(annotations, predictions, options.iou_type), options.rounds))
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
