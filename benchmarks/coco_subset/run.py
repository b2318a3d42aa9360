"""Compares `pipeline score` with pycocotools on real annotations and noisy predictions: the largest difference of the twelve
statistics, times and peak memories, for boxes and for masks.

    .venv/bin/python benchmarks/coco_subset/run.py [target/release/pipeline] [--annotations A.json] [--rounds 5] [--seed 2017]

The predictions come from noisy.py. The time of pycocotools is without its imports and start; that of `pipeline score` is of the
complete process, and the time of its start alone (`pipeline --version`, which loads libtorch too) is printed as well. Peak memory
is the largest resident set; times and memories are medians of the rounds, in alternation.
Prints a table, or with --json one object. The exit status is 1 where a statistic differs by more than 1e-12.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

from side_by_side import compare, peer_command, summary, table, watch

ANNOTATIONS = ROOT.parent / "shared/data/coco2017_subset/annotations/instances_val2017.json"
TOLERANCE = 1e-12


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

    starts = [watch([options.pipeline.resolve(), "--version"])[1] for _ in range(options.rounds)]
    start = {key: statistics.median(run[key] for run in starts) for key in starts[0]}
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # A separate process: its imports would count towards the peaks of the others.
        noisy = pathlib.Path(__file__).with_name("noisy.py")
        subprocess.run([sys.executable, noisy, options.annotations, folder, str(options.seed)], check=True)
        for iou_type in ("bbox", "segm"):
            predictions = folder / f"{iou_type}.json"
            ours = [options.pipeline.resolve(), "score", "--task", "detect", "--iou-type", iou_type, "--json"]
            ours += ["--annotations", options.annotations, "--predictions", predictions]
            theirs = peer_command(options.annotations, predictions, iou_type)
            found[iou_type] = summary(compare(ours, theirs, options.rounds))
    if options.json:
        print(json.dumps({**found, "start": start}, indent=1))
    else:
        print(f"start alone: {start['seconds']:.2f} s, {start['peak_mb']:.0f} MB\n")
        print("\n\n".join(f"{iou_type}\n{table(of_type)}" for iou_type, of_type in found.items()))
    return 0 if all(of_type["largest_difference"] <= TOLERANCE for of_type in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
