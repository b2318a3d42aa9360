"""Runs exported files in the runtimes of apps and compares them with the network on the same images; exit status 1 where they
differ.

    tools/python
    pipeline export RUN -o model.pt --example          # also .ptl and .onnx
    .venv/bin/python tools/check_export.py model.pt model.ptl model.onnx [--coreml]

`--example` writes model.pt.example.safetensors: the images and the network's outputs. A .pt is run by
torch.jit.load, a .ptl by the lite interpreter, an .onnx by ONNX Runtime after ONNX's own checker; with --coreml, a .pt that takes
normalised images is also converted by coremltools (the conversion alone: Core ML runs on a Mac).
"""

import argparse
import json
import pathlib
import sys
import warnings

import numpy as np
import torch
from safetensors.numpy import load_file

TOLERANCE = 1e-4


def run_torchscript(path, images):
    extras = {"model.json": ""}
    module = torch.jit.load(path, _extra_files=extras)
    json.loads(extras["model.json"])
    return call(module, images)


def run_lite(path, images):
    from torch.jit.mobile import _load_for_lite_interpreter

    return call(_load_for_lite_interpreter(path), images)


def call(module, images):
    with torch.no_grad():
        found = module(torch.from_numpy(images))
    found = found if isinstance(found, (tuple, list)) else [found]
    return [tensor.numpy() for tensor in found]


def run_onnx(path, images):
    import onnx
    import onnxruntime

    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})


def convert_coreml(path, images):
    import coremltools

    module = torch.jit.load(path)
    kind = coremltools.TensorType(name="images", shape=images.shape)
    model = coremltools.convert(module, inputs=[kind], convert_to="mlprogram", minimum_deployment_target=coremltools.target.iOS15)
    outputs = [output.name for output in model.get_spec().description.output]
    print(f"{path}: coremltools {coremltools.__version__} made an mlprogram with outputs {outputs}")


def difference(found, expected):
    """Relative to the largest value; for ids the share that differs."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if np.issubdtype(expected.dtype, np.integer):
        return float((found != expected).mean())
    return float(np.abs(found.astype(np.float64) - expected).max() / max(np.abs(expected).max(), 1e-12))


def farthest_detection(found, expected, side):
    """The largest distance of a detection to the nearest one of its class in the other list, of scores and of corners relative to
    the side of the image. Scores that are nearly equal change places between runtimes, so rows are not compared in order."""

    def one_way(ours, theirs):
        boxes, scores, labels = ours[:3]
        largest = 0.0
        for box, score, label in zip(boxes, scores, labels):
            same = theirs[2] == label
            if not same.any():
                return 1.0
            corners = np.abs(theirs[0][same] - box).max(axis=1) / side
            largest = max(largest, float(np.maximum(corners, np.abs(theirs[1][same] - score)).min()))
        return largest

    return max(one_way(found, expected), one_way(expected, found))


RUNTIMES = {".pt": ("torch.jit.load", run_torchscript), ".ptl": ("lite interpreter", run_lite), ".onnx": ("ONNX Runtime", run_onnx)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--coreml", action="store_true", help="convert TorchScript files by coremltools too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    worst = 0.0
    for path in arguments.files:
        card = json.loads(pathlib.Path(path + ".json").read_text())
        example = load_file(path + ".example.safetensors")
        images = example["images"]
        name, run = RUNTIMES[pathlib.Path(path).suffix]
        found = run(path, images)
        if len(found) != len(card["outputs"]):
            sys.exit(f"{path}: {len(found)} outputs, {len(card['outputs'])} in {path}.json")
        names = [port["name"] for port in card["outputs"]]
        if "labels" in names:
            largest = farthest_detection(found, [example[port] for port in names], max(card["input"]["size"]))
            worst = max(worst, largest)
            print(f"{path}: {name}: {len(found[0])} detections, difference {largest:.1e}")
        else:
            for port, tensor in zip(names, found):
                largest = difference(tensor, example[port])
                worst = max(worst, largest)
                print(f"{path}: {name}: {port} {list(tensor.shape)} {tensor.dtype}, difference {largest:.1e}")
        if arguments.coreml and path.endswith(".pt"):
            convert_coreml(path, images)
    print(f"largest difference {worst:.1e}, tolerance {TOLERANCE:.0e}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
