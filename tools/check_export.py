"""Runs exported files in the runtimes of apps and compares them with the network on the same images; exit status 1 where they
differ.

    tools/python
    pipeline export RUN -o model.pt --example          # also of the other formats, and with --int8
    .venv/bin/python tools/check_export.py model.pt model.ptl model.onnx model.tflite model.mlpackage

`--example` writes model.pt.example.safetensors: the images and the network's outputs. A .pt is run by
torch.jit.load, a .ptl by the lite interpreter, an .onnx by ONNX Runtime after ONNX's own checker, a .tflite by LiteRT with XNNPACK and by
its reference kernels, and in batches where it takes them. Without images each but a .tflite must give empty outputs. A .pt that was exported without --freeze is a module: it also runs in fp64 and bf16, and on a GPU where there is one.
A .mlpackage is read and type-checked by coremltools, and computed by torch, operation by operation: Core ML runs on a Mac.
"""

import argparse
import json
import os
import pathlib
import sys
import warnings

import numpy as np
import torch
from safetensors.numpy import load_file

TOLERANCE = 1e-4
# A network rounds about a hundred times in a row, in bf16 each time by up to 2^-9 of a number and mostly in different directions.
# The mean difference relative to the largest number is compared. Detections and classes of pixels are not: near a threshold or a tie
# they change. Files exported with --raw show what they are decided from.
REDUCED_TOLERANCE = 0.05


def run_torchscript(path, images):
    extras = {"model.json": ""}
    module = torch.jit.load(path, _extra_files=extras)
    json.loads(extras["model.json"])
    return call(module, images)


def module_runs(path, images):
    """What a module gives in other kinds and on other devices: name, tolerance, outputs. Nothing for a frozen file."""
    if not list(torch.jit.load(path).parameters()):
        return
    places = [("fp64", torch.float64, "cpu", TOLERANCE), ("bf16", torch.bfloat16, "cpu", REDUCED_TOLERANCE)]
    if torch.cuda.is_available():
        # Convolutions in TF32 would not be comparable.
        torch.backends.cudnn.allow_tf32 = False
        places += [("fp32 on CUDA", torch.float32, "cuda", TOLERANCE), ("fp16 on CUDA", torch.float16, "cuda", REDUCED_TOLERANCE)]
    for name, kind, device, tolerance in places:
        module = torch.jit.load(path, map_location=device).to(kind)
        given = torch.from_numpy(images).to(device)
        yield name, tolerance, outputs(module, given.to(kind) if given.is_floating_point() else given)


def run_lite(path, images):
    from torch.jit.mobile import _load_for_lite_interpreter

    return call(_load_for_lite_interpreter(path), images)


def call(module, images):
    return outputs(module, torch.from_numpy(images))


def outputs(module, images):
    with torch.no_grad():
        found = module(images)
    found = found if isinstance(found, (tuple, list)) else [found]
    return [(tensor.double() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).cpu().numpy() for tensor in found]


def run_onnx(path, images):
    import onnx
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Read when onnxruntime is imported.
    import onnxruntime

    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})


def litert_runs(path, images):
    """What the kernels of LiteRT give, with those of XNNPACK as a delegate and without any: name, outputs by name."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    for name, kernels in [("LiteRT", OpResolverType.AUTO), ("LiteRT's reference kernels", OpResolverType.BUILTIN_REF)]:
        interpreter = Interpreter(path, experimental_op_resolver_type=kernels, num_threads=1)
        found = interpreter.get_signature_runner("serving_default")(images=images)
        delegated = sum(step["op_name"] == "DELEGATE" for step in interpreter._get_ops_details())
        yield f"{name}, {delegated} delegated parts", {port: np.array(found[port]) for port in found}


def difference(found, expected):
    """Relative to the largest value; for ids the share that differs."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if np.issubdtype(expected.dtype, np.integer):
        return float((found != expected).mean())
    return float(np.abs(found.astype(np.float64) - expected).max() / max(np.abs(expected).max(), 1e-12))


def mean_difference(found, expected):
    """Relative to the largest value."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).mean() / max(np.abs(expected).max(), 1e-12))


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


class Comparison:
    """Of one file with its example. Holds whether something was outside of its tolerance."""

    def __init__(self, path):
        self.path = path
        self.card = json.loads(pathlib.Path(path + ".json").read_text())
        self.example = load_file(path + ".example.safetensors")
        self.images = self.example["images"]
        self.ports = [port["name"] for port in self.card["outputs"]]
        self.failed = False

    def expect(self, found, tolerance, text):
        wrong = not found <= tolerance
        self.failed |= wrong
        print(f"{self.path}: {text}, difference {found:.1e}{f', more than {tolerance:.0e}' if wrong else ''}")

    def outputs(self, runtime, found, tolerance=TOLERANCE):
        if len(found) != len(self.ports):
            sys.exit(f"{self.path}: {len(found)} outputs, {len(self.ports)} in {self.path}.json")
        expected = [self.example[port] for port in self.ports]
        reduced = tolerance == REDUCED_TOLERANCE
        if "labels" in self.ports:
            text = f"{runtime}: {len(found[0])} detections"
            if reduced:
                return print(f"{self.path}: {text} instead of {len(expected[0])}")
            return self.expect(farthest_detection(found, expected, max(self.card["input"]["size"])), tolerance, text)
        if reduced and "count" in self.ports:
            return print(f"{self.path}: {runtime}: {int(found[3][0])} detections instead of {int(expected[3][0])}")
        if reduced and "classes" in self.ports:
            return print(f"{self.path}: {runtime}: {difference(found[0], expected[0]):.1%} of the pixels have another class")
        for port, tensor, wanted in zip(self.ports, found, expected):
            compared = (mean_difference if reduced else difference)(tensor, wanted)
            self.expect(compared, tolerance, f"{runtime}: {port} {list(tensor.shape)}")

    def litert(self):
        tolerance = self.tolerance()
        for runtime, found in litert_runs(self.path, self.images):
            if "count" in self.ports:
                # Rows behind the number of detections mean nothing.
                kept = int(found["count"][0])
                found = {port: values if port == "count" else values[:, :kept] for port, values in found.items()}
                self.example = {port: self.example[port] if port in ("count", "images") else self.example[port][:, :kept]
                                for port in self.example}
            self.outputs(runtime, [found[port] for port in self.ports], tolerance)
        if not self.card["input"].get("single"):
            twice = np.concatenate([self.images, self.images])
            for runtime, found in litert_runs(self.path, twice):
                halves = [np.split(found[port], 2) for port in self.ports]
                largest = max(difference(second, first) for first, second in halves)
                self.expect(largest, TOLERANCE, f"{runtime}: the second of two equal images")

    def coreml(self):
        import coreml_program

        found = coreml_program.run(self.path, self.images)
        # A detector's program gives what its suppression takes.
        values = [found.get(port, found.get(f"raw_{port}")) for port in self.ports]
        self.outputs("coremltools and torch", values, self.tolerance())

    def tolerance(self):
        """Runtimes round sums in int8 and in fp16 each in their way; LiteRT computes what it keeps in fp16 in fp32 here."""
        rounds = self.card.get("int8") or self.path.endswith(".mlpackage") and self.card["precision"] == "fp16"
        return REDUCED_TOLERANCE if rounds else TOLERANCE

    def empty(self, runtime, found):
        shapes = [list(tensor.shape) for tensor in found]
        if any(shape[0] for shape in shapes):
            self.failed = True
            print(f"{self.path}: {runtime}: without images the outputs are {shapes}, not empty")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    failed = False
    for path in map(lambda path: path.rstrip("/"), arguments.files):
        comparison = Comparison(path)
        images = comparison.images
        if path.endswith((".tflite", ".mlpackage")):
            comparison.litert() if path.endswith(".tflite") else comparison.coreml()
            failed |= comparison.failed
            continue
        runtime, run = RUNTIMES[pathlib.Path(path).suffix]
        comparison.outputs(runtime, run(path, images), comparison.tolerance())
        int8 = comparison.card.get("int8")
        if not int8 or path.endswith(".onnx"):
            comparison.empty(runtime, run(path, images[:0]))
        if path.endswith(".pt") and not int8:
            for name, tolerance, found in module_runs(path, images):
                comparison.outputs(name, found, tolerance)
        failed |= comparison.failed
    print("a file is outside of its tolerance" if failed else "every file is within its tolerance")
    sys.exit(failed)


if __name__ == "__main__":
    main()
