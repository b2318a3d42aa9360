"""Trains the networks of configs/study/ with one recipe in equal epochs and in equal time, and compares them: top-1 with its interval,
time of an epoch, latency of each form.

    IMAGENETTE_ROOT=../shared/data/imagenette224_subset .venv/bin/python benchmarks/study.py [--pipeline target/release/pipeline]
        [--runs runs/study] [--output docs/benchmarks] [--set KEY=VALUE ...]

Equal epochs are those of the configuration; equal time is that of the slowest network's training in equal epochs, in which each of the
others gets as many epochs as fit. What stands in the folder of the runs is not done again, and an interrupted run is resumed: another
recipe needs another folder. Accuracy is that of the last epoch's average of the weights, not of the best epoch. The table is printed, and
written with everything that was found as MACHINE-study.{md,json}. The machine should have nothing else to do.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from rounds import ROOT, machine_name, run

NETWORKS = ["mobileone_s1", "efficientnet_b0", "mobilenet_v3_large", "mobileformer_96m"]
ENGINES = ["train", "deploy", "script", "onednn"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=pathlib.Path, default=ROOT / "target/release/pipeline")
    parser.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs/study", help="the folder of the runs")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/benchmarks", help="the folder for the table")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe of all")
    options = parser.parse_args()
    if os.getloadavg()[0] > 0.5:
        say(f"the load is {os.getloadavg()[0]:.1f}: other work makes times longer and the networks' shares of them unequal")

    equal_epochs = {network: trained(options, "epochs", network) for network in NETWORKS}
    budget = max(found["seconds"] for found in equal_epochs.values())
    equal_time = {}
    for network, found in equal_epochs.items():
        epochs = max(int(budget / found["seconds"] * found["epochs"]), found["epochs"])
        # The slowest has had its time.
        equal_time[network] = found if epochs == found["epochs"] else trained(options, "time", network, epochs)
    rows = [{"comparison": comparison, "network": network, **found, **evaluated(options, options.runs.resolve() / found["run"])}
            for comparison, of in [("epochs", equal_epochs), ("time", equal_time)] for network, found in of.items()]

    doctor = {check["what"]: check["found"] for check in json.loads(run([options.pipeline, "doctor", "--json"], 1))}
    machine = {"cpu": doctor["processor"], "processors": threads()}
    found = {"machine": machine, "date": datetime.date.today().isoformat(), "changes": options.set, "budget_seconds": budget, "rows": rows}
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / f"{machine_name(**machine)}-study"
    shown = table(found)
    file.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    file.with_suffix(".md").write_text(shown)
    print(shown)


def say(text):
    print(text, file=sys.stderr, flush=True)


def threads():
    return len(os.sched_getaffinity(0))


def pipeline(options, *words):
    """Runs a command of the program, which shows its progress; its standard output."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads())}
    words = [str(word) for word in (options.pipeline, *words)]
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed with status {done.returncode}; what is done is kept in {options.runs}")
    return done.stdout


def trained(options, comparison, network, epochs=None):
    """Trains a network where its run is not complete; its epochs and the seconds of training, evaluation included."""
    folder = options.runs.resolve() / comparison / network
    changes = options.set + ([f"train.epochs={epochs}"] if epochs else [])
    words = [word for change in changes for word in ("--set", change)]
    config = ROOT / f"configs/study/{network}.yaml"
    wanted = json.loads(pipeline(options, "config", config, "--json", *words))["train"]["epochs"]
    rows = metrics(folder)
    if len(rows) < wanted:
        say(f"{network}, equal {comparison}: training for {wanted} epochs, {len(rows)} are done")
        if any(folder.glob("checkpoints/step-*")):
            pipeline(options, "train", "--resume", folder, "--no-latency")
        else:
            # What an interrupted first epoch left.
            shutil.rmtree(folder, ignore_errors=True)
            pipeline(options, "train", config, "--output", folder.parent, "--name", network, "--no-latency", *words)
        rows = metrics(folder)
    if len(rows) != wanted:
        sys.exit(f"{folder} has {len(rows)} epochs and not {wanted}: it is the run of another recipe")
    ends = [0.0, *(float(row["seconds"]) for row in rows)]
    epoch = statistics.median(after - before for before, after in zip(ends, ends[1:]))
    return {"run": f"{comparison}/{network}", "epochs": wanted, "seconds": ends[-1], "epoch_seconds": epoch}


def metrics(folder):
    """The rows of a run's epochs."""
    file = folder / "metrics.csv"
    return list(csv.DictReader(file.open())) if file.exists() else []


def evaluated(options, folder):
    """Accuracy of the last epoch with its interval, and latencies."""
    output = folder / "last"
    if not (output / "page.json").exists():
        say(f"{folder.name}, equal {folder.parent.name}: evaluating and measuring")
        weights = folder / "checkpoints/last/ema.safetensors"
        pipeline(options, "eval", folder, "--weights", weights, "--output", output)
    top1 = json.loads((output / "page.json").read_text())["interval"]
    network = json.loads((output / "report.json").read_text())["network"]
    latency = {engine: figures["median"] for engine, figures in network["latency"]["engines"]}
    return {"top1": top1, "size": network["size"], "train": network["train"], "deploy": network["deploy"], "latency_ms": latency}


def table(found):
    """Markdown: a line for each network in equal epochs and in equal time."""
    machine = found["machine"]
    [side, _] = found["rows"][0]["size"]
    lines = [
        f"{machine['cpu']}, {machine['processors']} processors, {found['date']}; {side} px, one run each; top-1 of the last epoch with the "
        "95 % interval of a bootstrap over images, not over runs. Latency of one image, median in ms, by engine.",
        "",
        f"| | network | epochs | training, s | an epoch, s | top-1 | M parameters | {' | '.join(ENGINES)} |",
        "|---" * (7 + len(ENGINES)) + "|",
    ]
    for row in found["rows"]:
        top1 = row["top1"]
        figures = [f"{row['latency_ms'][engine]:.2f}" if engine in row["latency_ms"] else "-" for engine in ENGINES]
        cells = [f"equal {row['comparison']}", row["network"], row["epochs"], f"{row['seconds']:.0f}", f"{row['epoch_seconds']:.1f}",
                 f"{top1['value']:.3f} ({top1['low']:.3f} to {top1['high']:.3f})",
                 f"{row['train']['parameters'] / 1e6:.2f} / {row['deploy']['parameters'] / 1e6:.2f}", *figures]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
