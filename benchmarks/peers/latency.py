"""Prints the median latency of an engine in ms: ENGINE FILE.onnx SECONDS VARIANT."""

import json
import statistics
import sys
import time

SIDE = 224


def main():
    engine, path, seconds, variant = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    call = onnxruntime(path) if engine == "onnxruntime" else openvino(path, engine) if engine.startswith("openvino") else timm(variant, engine)
    for _ in range(20):
        call()
    times, begun = [], time.perf_counter()
    while len(times) < 15 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    print(json.dumps({"ms": statistics.median(times) * 1e3}))


def images():
    import numpy as np

    return np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), dtype=np.float32)


def onnxruntime(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: images()}
    return lambda: session.run(None, inputs)


def openvino(path, engine):
    import openvino as ov

    # Without a hint it computes in bf16 where the processor can.
    hints = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": engine.split("-")[1]}
    core = ov.Core()
    model = core.read_model(path)
    model.reshape([1, 3, SIDE, SIDE])
    request, inputs = core.compile_model(model, "CPU", hints).create_infer_request(), [images()]
    return lambda: request.infer(inputs)


def timm(variant, engine):
    import timm
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = timm.utils.reparameterize_model(timm.create_model(f"mobileone_{variant}").eval())
    inputs = torch.from_numpy(images())
    if engine == "script":
        model = torch.jit.freeze(torch.jit.trace(model, inputs))

    def call():
        with torch.inference_mode():
            model(inputs)

    return call


if __name__ == "__main__":
    main()
