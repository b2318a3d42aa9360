"""Core ML packages without a Mac: coremltools reads and type-checks the program, torch computes its operations."""

import logging
import pathlib
import shutil
import tempfile
import warnings

import numpy as np
import torch

logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")
import coremltools
from coremltools.converters.mil.frontend.milproto.load import load


def number(value):
    """A constant as torch wants it: a tensor, or a number or text as Python has it."""
    value = np.asarray(value)
    if value.dtype.kind in "US" or value.ndim == 0:
        return value.item()
    return torch.from_numpy(value.astype(np.float32) if value.dtype.kind == "f" else value.astype(np.int64))


def integers(value):
    return value.tolist() if torch.is_tensor(value) else value


def resized(x, size):
    return torch.nn.functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def sliced(x, begin, end, stride, begin_mask, end_mask, squeeze_mask):
    at = zip(*map(integers, (begin, end, stride, begin_mask, end_mask, squeeze_mask)))
    return x[tuple(b if squeeze else slice(None if bm else b, None if em else e, s) for b, e, s, bm, em, squeeze in at)]


def quantized(input, scale, zero_point, output_dtype):
    assert output_dtype == "int8"
    return (torch.round(input / scale) + zero_point).clamp(-128, 127)


def convolved(x, weight, bias, strides, pad, dilations, groups, pad_type):
    top, bottom, left, right = integers(pad)
    x = torch.nn.functional.pad(x, (left, right, top, bottom))
    return torch.nn.functional.conv2d(x, weight, bias, integers(strides), 0, integers(dilations), groups)


OPERATIONS = {
    "identity": lambda x: x,
    "cast": lambda x, dtype: x,
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "tanh": lambda x: x.tanh(),
    "exp": lambda x: x.exp(),
    "sqrt": lambda x: x.sqrt(),
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "minimum": lambda x, y: torch.minimum(x, torch.as_tensor(y, dtype=x.dtype)),
    "maximum": lambda x, y: torch.maximum(x, torch.as_tensor(y, dtype=x.dtype)),
    "conv": convolved,
    "linear": lambda x, weight, bias: torch.nn.functional.linear(x, weight, bias),
    "softmax": lambda x, axis: x.softmax(axis),
    "reduce_mean": lambda x, axes, keep_dims: x.mean(integers(axes), keep_dims),
    "reduce_argmax": lambda x, axis, keep_dims, output_dtype="int32": x.argmax(axis, keep_dims),
    "concat": lambda values, axis, interleave: torch.cat(values, axis),
    "reshape": lambda x, shape: x.reshape(integers(shape)),
    "transpose": lambda x, perm: x.permute(integers(perm)),
    "tile": lambda x, reps: x.repeat(integers(reps)),
    "shape": lambda x: torch.tensor(x.shape),
    "slice_by_index": sliced,
    "resize_bilinear": lambda x, target_size_height, target_size_width, sampling_mode: resized(x, (target_size_height, target_size_width)),
    "resize": lambda x, shape, resized_dims, interpolation_mode, sampling_mode: resized(x, integers(shape)),
    "quantize": quantized,
    "dequantize": lambda input, scale, zero_point: (input - zero_point) * scale,
}


def run(path, images):
    """The outputs of the program for images, by name: of a detector those before its suppression."""
    # coremltools writes Manifest.json anew when it opens a package.
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(path, pathlib.Path(folder) / "copy.mlpackage")
        model = coremltools.models.MLModel(str(copy), skip_model_load=True)
        spec = model.get_spec()
        if spec.WhichOneof("Type") == "pipeline":
            spec = spec.pipeline.models[0]
        program = load(spec, spec.specificationVersion, model.weights_dir)
    function = program.functions["main"]
    values = {name: torch.from_numpy(np.asarray(images, dtype=np.float32)) for name in function.inputs}
    read = lambda variable: values[variable.name] if variable.name in values else number(variable.val)
    for operation in function.operations:
        kind = operation.op_type
        if kind == "const":
            continue
        if kind.startswith("constexpr_"):
            values[operation.outputs[0].name] = number(operation.materialized_val_inference())
            continue
        if kind == "classify":
            scores = read(operation.inputs["probabilities"])
            values[operation.outputs[0].name] = scores.argmax(-1)
            values[operation.outputs[1].name] = scores
            continue
        given = {name: [read(one) for one in given] if isinstance(given, (list, tuple)) else read(given)
                 for name, given in operation.inputs.items() if given is not None}
        found = OPERATIONS[kind](**given)
        half = operation.outputs[0].dtype.__name__ == "fp16"
        values[operation.outputs[0].name] = found.half().float() if half else found
    return {output.name: values[output.name].numpy() for output in function.outputs}
