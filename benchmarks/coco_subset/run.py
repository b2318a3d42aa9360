"""Compares `pipeline score` with pycocotools on real annotations and noisy predictions: the largest difference of the twelve
statistics, times and peak memories, for boxes and for masks.

    .venv/bin/python benchmarks/coco_subset/run.py [target/release/pipeline] [--annotations A.json] [--rounds 5] [--seed 2017]

The predictions come from noisy.py. Each side is a process and is timed as a whole; peak memory is the largest resident set; figures are
medians of the rounds, in turn. The exit status is 1 where a statistic differs by more than 1e-12.
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

from rounds import PEERS, Contest, table, watch

ANNOTATIONS = ROOT.parent / "shared/data/coco2017_subset/annotations/instances_val2017.json"
TOLERANCE = 1e-12
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


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

    rows, largest = [], 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # A separate process: its imports would count towards the peaks of the others.
        noisy = pathlib.Path(__file__).with_name("noisy.py")
        subprocess.run([sys.executable, noisy, options.annotations, folder, str(options.seed)], check=True)
        for iou_type in ("bbox", "segm"):
            files = [options.annotations, folder / f"{iou_type}.json"]
            ours = [options.pipeline.resolve(), "score", "--task", "detect", "--iou-type", iou_type, "--json"]
            ours += ["--annotations", files[0], "--predictions", files[1]]
            sides = {"this program": ours, "pycocotools": [sys.executable, PEERS / "scoring.py", "pycocotools", *files, iou_type]}
            found = {}

            def side(name, command, found=found):
                output, figures = watch(command)
                found[name] = json.loads(output)
                return figures

            runs = {name: lambda name=name, command=command: side(name, command) for name, command in sides.items()}
            contest = Contest(f"scoring, {iou_type}", {"seconds": "s", "peak_mb": "MB"}, runs, against="pycocotools")
            rows += contest.run(options.rounds)
            own = [found["this program"]["stats"][name] for name in NAMES]
            largest = max([largest, *(abs(a - b) for a, b in zip(own, found["pycocotools"], strict=True))])
    print(json.dumps({"rows": rows, "largest_difference": largest}, indent=1) if options.json else table(rows))
    print(f"largest difference of a statistic: {largest:.2g}", file=sys.stderr)
    return 0 if largest <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
