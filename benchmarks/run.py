"""Compares this program with its peers in one run, prints one table, and keeps it under docs/benchmarks/.

    make bench
    .venv/bin/python benchmarks/run.py [CLAIM ...] [--rounds 3] [--seconds 2] [--pipeline target/release/pipeline]

A claim is a module beside this file: latency, training, loading, scoring, starting. The sides of a contest run in turn; figures are
medians over the rounds, ratios are formed within each round. The machine should have nothing else to do.
"""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import subprocess
import tempfile

from rounds import ROOT, machine_name, run, table

CLAIMS = ["latency", "training", "loading", "scoring", "starting"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(CLAIMS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long one side of a contest is measured")
    parser.add_argument("--pipeline", type=pathlib.Path, default=ROOT / "target/release/pipeline")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/benchmarks", help="the folder for the JSON file")
    options = parser.parse_args()
    unknown = set(options.claims) - set(CLAIMS)
    if unknown or options.rounds < 1:
        parser.error(f"not a claim: {', '.join(sorted(unknown))}" if unknown else "--rounds must be at least 1")

    doctor = {check["what"]: check["found"] for check in json.loads(run([options.pipeline, "doctor", "--json"], 1))}
    machine = {"cpu": doctor["processor"], "processors": len(os.sched_getaffinity(0))}
    found = {"machine": machine, "claims": {}}
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / f"{machine_name(**machine)}.json"
    if file.exists():
        # Claims that are not measured now stay as they were.
        found["claims"] = json.loads(file.read_text())["claims"]
    for claim in options.claims or CLAIMS:
        with tempfile.TemporaryDirectory() as folder:
            contests = importlib.import_module(claim).contests(options, pathlib.Path(folder))
            rows = [row for contest in contests for row in contest.run(options.rounds)]
        measured = {"date": datetime.date.today().isoformat(), "versions": versions(), "load": os.getloadavg()[0]}
        found["claims"][claim] = {**measured, "rounds": options.rounds, "seconds": options.seconds, "rows": rows}
        file.write_text(json.dumps(found, indent=1) + "\n")
        print(f"## {claim}\n\n{table(rows)}\n", flush=True)
    print(f"{machine['cpu']}, {machine['processors']} processors; medians of {options.rounds} rounds; {file}")


def versions():
    """The peers that are installed, and their versions."""
    listed = subprocess.run([".venv/bin/python", "-m", "pip", "list", "--format", "json"], cwd=ROOT, capture_output=True, check=True)
    peers = {"torch", "torchvision", "timm", "onnxruntime", "openvino", "pycocotools", "faster-coco-eval"}
    return {package["name"]: package["version"] for package in json.loads(listed.stdout) if package["name"] in peers}


if __name__ == "__main__":
    main()
