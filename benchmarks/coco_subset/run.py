"""Compares `pipeline score` with pycocotools on real annotations and noisy predictions, boxes and masks: times, peak memories, and the
twelve numbers, which must be the same.

    .venv/bin/python benchmarks/coco_subset/run.py [target/release/pipeline] [--annotations A.json] [--rounds 5] [--seed 2017]

The predictions come from noisy.py. Each side is a process and is timed as a whole; peak memory is the largest resident set; figures are
medians of the rounds, in turn. The exit status is 1 where a number differs by more than 1e-12.
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

from rounds import table
from scoring import contest

ANNOTATIONS = ROOT.parent / "shared/data/coco2017_subset/annotations/instances_val2017.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("pipeline", nargs="?", type=pathlib.Path, default=target / "release" / "pipeline")
    parser.add_argument("--annotations", type=pathlib.Path, default=ANNOTATIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=2017)
    parser.add_argument("--keep", type=pathlib.Path, help="the folder for the predictions, which are kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    for file in (options.pipeline, options.annotations):
        if not file.is_file():
            sys.exit(f"{file} does not exist")

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # A separate process: its imports would count towards the peaks of the others.
        noisy = pathlib.Path(__file__).with_name("noisy.py")
        subprocess.run([sys.executable, noisy, options.annotations, folder, str(options.seed)], check=True)
        for iou_type in ("bbox", "segm"):
            files = [options.annotations, folder / f"{iou_type}.json"]
            scored = contest(f"scoring, {iou_type}", options.pipeline.resolve(), files, iou_type, ["pycocotools"])
            rows += scored.run(options.rounds)
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
