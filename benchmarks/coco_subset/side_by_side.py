"""What the benchmarks of the COCO evaluation share: pycocotools as a separate process, and runs of both programs in alternation,
with their times and peak memories."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def peer_command(annotations, predictions, iou_type):
    """The command that scores with pycocotools and prints {stats, seconds}, without imports and start."""
    return [sys.executable, __file__, annotations, predictions, iou_type]


def peer(annotations, predictions, iou_type):
    """Scores with pycocotools: the process of that command."""
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


def watch(command):
    """Runs a command; returns its output, and its time from start to end and peak memory in MB.

    The child's peak counts from the parent's size at the fork, so this process imports nothing large.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(map(str, command))} failed with status {process.returncode}:\n{errors.read()}")
    return output, {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024}


def measure(command):
    """Watches a command that prints a JSON object with the twelve statistics, as a list or by name, and optionally its own time in
    seconds."""
    output, usage = watch(command)
    found = json.loads(output)
    stats = found["stats"]
    if isinstance(stats, dict):
        stats = [stats[name] for name in NAMES]
    return {**usage, "stats": stats, "seconds": found.get("seconds", usage["seconds"])}


def compare(ours, theirs, rounds):
    """Runs both in alternation; every round swaps their order."""
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
    peak = {name: statistics.median(run["peak_mb"] for run in list_) for name, list_ in runs.items()}
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


if __name__ == "__main__":
    peer(*sys.argv[1:])
