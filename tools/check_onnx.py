#!/usr/bin/env python3
"""Checks an ONNX file with ONNX's own checker, and compares its outputs in ONNX Runtime with expected ones.

    check_onnx.py MODEL.onnx IN.safetensors OUT.safetensors [--tolerance 1e-4]

IN has a tensor for each input and OUT one for each output to compare, by their names in the file. Prints the largest difference of
each output, absolute and relative to the largest expected value. Exit status: 0 within the tolerance, 1 above it or where the file
is refused, 2 for wrong usage. `tools/test -p formats --run-ignored only samples` writes files of every task to target/tmp/onnx.

Written for onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6 and safetensors 0.8.0.
"""

import argparse
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Read when onnxruntime is imported.

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def difference(found, expected):
    """The largest difference, and its share of the largest expected value; infinite where shapes or kinds differ."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return float("inf"), float("inf")
    if expected.size == 0:
        return 0.0, 0.0
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    if not np.isfinite(found).all():
        return float("inf"), float("inf")
    largest = np.abs(found - expected).max()
    return largest, largest / max(np.abs(expected).max(), 1e-12)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the relative difference")
    arguments = parser.parse_args()

    try:
        onnx.checker.check_model(arguments.model, full_check=True)
        session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    except Exception as error:  # Both have errors of many kinds.
        print(f"{arguments.model} is refused: {error}", file=sys.stderr)
        return 1
    print(f"onnx {onnx.__version__} accepts {arguments.model}; onnxruntime {onnxruntime.__version__} runs it")

    expected = load_file(arguments.outputs)
    names = [output.name for output in session.get_outputs() if output.name in expected]
    unknown = sorted(set(expected) - set(names))
    if unknown or not names:
        print(f"{arguments.model} has no output {', '.join(unknown) or 'to compare'}", file=sys.stderr)
        return 1
    found = session.run(names, load_file(arguments.inputs))
    worst = 0.0
    for name, value in zip(names, found):
        absolute, relative = difference(value, expected[name])
        worst = max(worst, relative)
        shapes = f"{list(value.shape)}"
        if value.shape != expected[name].shape or value.dtype != expected[name].dtype:
            shapes += f" of {value.dtype}, expected {list(expected[name].shape)} of {expected[name].dtype}"
        print(f"{name} {shapes}: {absolute:.2e} absolute, {relative:.2e} relative")
    if worst > arguments.tolerance:
        print(f"above the tolerance of {arguments.tolerance:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
