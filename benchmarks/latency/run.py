"""Compares MobileOne's latency by this program's engines with ONNX Runtime's on the same exported network, in alternation.

    tools/python && make build
    .venv/bin/python benchmarks/latency/run.py [VARIANT ...] [--rounds 3] [--seconds 2] [--pipeline target/release/pipeline]

One image of 224x224, one thread, deploy form. Weights are timm's random ones, the same for both: `pipeline export` writes the ONNX
file for ONNX Runtime. Prints medians over the rounds of each round's median, and their ratio to ONNX Runtime's.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

VARIANTS = ["s0", "s1", "s2", "s3", "s4"]
ENGINES = ["deploy", "script", "onednn", "onednn-bf16", "lite"]
SIDE = 224
LIMITS = {"onednn": 1.15, "onednn-bf16": 0.7}

# ONNX Runtime in a separate process: prints its median time in ms.
PEER = """
import statistics, sys, time
import numpy as np
import onnxruntime
path, seconds, side = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
images = np.random.default_rng(0).standard_normal((1, 3, side, side), dtype=np.float32)
run = lambda: session.run(None, {session.get_inputs()[0].name: images})
for _ in range(20):
    run()
times, begun = [], time.perf_counter()
while len(times) < 15 or time.perf_counter() - begun < seconds:
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
print(statistics.median(times) * 1e3)
"""

WEIGHTS = """
import sys, timm, torch
torch.manual_seed(0)
torch.save(timm.create_model("mobileone_" + sys.argv[1]).state_dict(), sys.argv[2])
"""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))} failed with status {done.returncode}:\n{done.stderr}")
    return done.stdout


def measure(pipeline, variant, onnx, seconds):
    """One round: the median of each engine in ms."""
    found = {"ONNX Runtime": float(run(sys.executable, "-c", PEER, onnx, seconds, SIDE))}
    words = [pipeline, "bench", variant, "--engines", ",".join(ENGINES), "--seconds", seconds, "--threads", 1, "--json"]
    report = json.loads(run(*words))
    found.update({row["engine"]: row["latency_ms"]["median"] for row in report["rows"]})
    return found, report["machine"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=VARIANTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--pipeline", default="target/release/pipeline")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    columns = ["ONNX Runtime", *ENGINES]
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for variant in arguments.variants:
            weights = pathlib.Path(folder, f"{variant}.pth")
            files[variant] = pathlib.Path(folder, f"{variant}.onnx")
            run(sys.executable, "-c", WEIGHTS, variant, weights)
            run(arguments.pipeline, "export", f"imagenet/mobileone_{variant}", "--weights", weights, "--format", "onnx",
                "--raw", "--tolerance", "1e-3", "--no-latency", "-o", files[variant])
        machine, lines = None, []
        for variant in arguments.variants:
            rounds = []
            for _ in range(arguments.rounds):
                found, machine = measure(arguments.pipeline, variant, files[variant], arguments.seconds)
                rounds.append(found)
            medians = {name: statistics.median(found[name] for found in rounds) for name in columns}
            peer = medians["ONNX Runtime"]
            cells = [f"{medians[name]:.2f}" + ("" if name == "ONNX Runtime" else f" ({medians[name] / peer:.2f})") for name in columns]
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
            print(lines[-1], file=sys.stderr)
    print(f"{machine['cpu']}, {machine['processors']} processors, libtorch {machine['libtorch']}, one thread; "
          f"{arguments.rounds} rounds of {arguments.seconds} s; ms, in brackets relative to ONNX Runtime\n")
    print("| | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    print("\n".join(lines))
    print("\nlimits: " + ", ".join(f"{name} at most {limit} of ONNX Runtime's" for name, limit in LIMITS.items()))


if __name__ == "__main__":
    main()
