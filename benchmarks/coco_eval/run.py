"""Our COCO evaluation beside pycocotools: the same files, the same run, in alternation.

    .venv/bin/python benchmarks/coco_eval/run.py [--rounds 3] [--keep FOLDER]
    .venv/bin/python benchmarks/coco_eval/run.py --annotations A.json --predictions P.json [--iou-type segm]

Without files it scores the made-up problem of eval/examples/coco_case.rs: 5,000 images, 37,061 objects, 370,610
detections. Each evaluation is a process of its own that reads both files, scores them and says how long that took, imports
and start left out. Peak memory is the process's largest resident set, all of it.

Generated files lie in a temporary folder, or in --keep. Prints a table, or with --json one object.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def peer(annotations, predictions, iou_type):
    """pycocotools: what a child of this script runs."""
    import contextlib

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        ground_truth = COCO(annotations)
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(str(predictions)), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    seconds = time.perf_counter() - start
    print(json.dumps({"stats": evaluation.stats.tolist(), "seconds": seconds}))


def build(target):
    """Builds the examples of the eval crate, optimised; returns their folder."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "build", "--release", "-p", "eval", "--examples"], cwd=ROOT, env=environment, check=True)
    return target / "release" / "examples"


def measure(command):
    """Runs a command that prints {stats, seconds}; adds its peak memory in MB.

    The child's peak counts from the parent's size at the fork, so this process imports nothing large.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(map(str, command))} failed with status {process.returncode}:\n{errors.read()}")
    return {**json.loads(output), "peak_mb": usage.ru_maxrss / 1024}


def compare(ours, theirs, rounds):
    """Runs both in alternation; the first to go changes from round to round."""
    runs = {"ours": [], "pycocotools": []}
    commands = {"ours": ours, "pycocotools": theirs}
    for number in range(rounds):
        order = list(commands) if number % 2 == 0 else list(reversed(commands))
        for name in order:
            run = measure(commands[name])
            runs[name].append(run)
            print(f"round {number + 1}: {name} {run['seconds']:.2f} s, {run['peak_mb']:.0f} MB", file=sys.stderr)
    return runs


def summary(runs):
    median = {name: statistics.median(run["seconds"] for run in list_) for name, list_ in runs.items()}
    peak = {name: max(run["peak_mb"] for run in list_) for name, list_ in runs.items()}
    ours, theirs = runs["ours"][0]["stats"], runs["pycocotools"][0]["stats"]
    return {
        "seconds": median,
        "all_seconds": {name: [run["seconds"] for run in list_] for name, list_ in runs.items()},
        "times_faster": median["pycocotools"] / median["ours"],
        "peak_mb": peak,
        "times_smaller": peak["pycocotools"] / peak["ours"],
        "largest_difference": max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
        "stats": dict(zip(NAMES, ours, strict=True)),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


def table(found):
    lines = [f"{'':14}{'median s':>10}{'fastest s':>11}{'peak MB':>9}"]
    for name, seconds in found["seconds"].items():
        lines.append(f"{name:14}{seconds:10.2f}{min(found['all_seconds'][name]):11.2f}{found['peak_mb'][name]:9.0f}")
    lines.append(f"{found['times_faster']:.1f} times faster, {found['times_smaller']:.1f} times smaller")
    lines.append(f"largest difference of the twelve statistics: {found['largest_difference']:.2g}, at AP {found['stats']['AP']:.4f}")
    lines.append(f"{found['cores']} cores, load {found['load']:.1f}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--annotations", type=pathlib.Path)
    parser.add_argument("--predictions", type=pathlib.Path)
    parser.add_argument("--iou-type", choices=["bbox", "segm"], default="bbox")
    parser.add_argument("--keep", type=pathlib.Path, help="where the made-up problem is written and left")
    parser.add_argument("--target", type=pathlib.Path, default=os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if (options.annotations is None) != (options.predictions is None):
        parser.error("--annotations and --predictions go together")
    if options.peer:
        return peer(options.annotations, options.predictions, options.iou_type)
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
        theirs = [sys.executable, __file__, "--peer", "--annotations", annotations, "--predictions", predictions]
        theirs += ["--iou-type", options.iou_type]
        found = summary(compare(ours, theirs, options.rounds))
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
