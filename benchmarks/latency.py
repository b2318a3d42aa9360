"""Latency of one image of 224x224 on one thread: MobileOne in deploy form, 1000 classes, timm's random weights for all sides."""

import json
import sys

from rounds import Contest, peer, run

VARIANTS = ["s0", "s1", "s2", "s3", "s4"]
WEIGHTS = """
import sys, timm, torch
torch.manual_seed(0)
torch.save(timm.create_model("mobileone_" + sys.argv[1]).state_dict(), sys.argv[2])
"""


def contests(options, folder):
    run([options.pipeline, "data", "shapes", folder / "shapes"], 1)
    for variant in VARIANTS:
        weights, floating, integer = (folder / f"{variant}.{ending}" for ending in ["pth", "onnx", "int8.onnx"])
        run([sys.executable, "-c", WEIGHTS, variant, weights], 1)
        export = [options.pipeline, "export", f"imagenet/mobileone_{variant}", "--weights", weights, "--raw", "--no-latency"]
        run([*export, "--tolerance", "1e-3", "-o", floating], 2)
        # Random weights have no accuracy to keep.
        int8 = ["--int8", "--calibration-data", folder / "shapes/JPEGImages", "--calibration", "16", "--max-drop", "1"]
        run([*export, *int8, "--float-layers", "0", "--tolerance", "1", "-o", integer], 2)

        def ours(engine, variant=variant):
            words = [options.pipeline, "bench", variant, "--engines", engine, "--seconds", options.seconds, "--json"]
            return {"median": json.loads(run(words, 1))["rows"][0]["latency_ms"]["median"]}

        def file(path):
            words = [options.pipeline, "bench", path, "--seconds", options.seconds, "--json"]
            return {"median": json.loads(run(words, 1))["rows"][0]["latency_ms"]["median"]}

        def theirs(engine, path, variant=variant):
            return {"median": peer("latency.py", engine, path, options.seconds, variant, threads=1)["ms"]}

        yield Contest(f"{variant}, one image", {"median": "ms"}, {
            "this program, oneDNN fp32": lambda ours=ours: ours("onednn"),
            "this program, oneDNN bf16": lambda ours=ours: ours("onednn-bf16"),
            "this program, ONNX Runtime fp32": lambda file=file, path=floating: file(path),
            "this program, ONNX Runtime int8": lambda file=file, path=integer: file(path),
            "ONNX Runtime": lambda theirs=theirs, path=floating: theirs("onnxruntime", path),
            "OpenVINO fp32": lambda theirs=theirs, path=floating: theirs("openvino-f32", path),
            "OpenVINO bf16": lambda theirs=theirs, path=floating: theirs("openvino-bf16", path),
            "OpenVINO, our int8 file": lambda theirs=theirs, path=integer: theirs("openvino-f32", path),
            "timm eager": lambda theirs=theirs, path=floating: theirs("eager", path),
            "timm TorchScript": lambda theirs=theirs, path=floating: theirs("script", path),
        }, against="ONNX Runtime")
