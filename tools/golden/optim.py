"""Several steps of torch.optim.SGD and AdamW, gradient clipping and an average of weights, for tch-ext's tests.

Run from the repository's root: python tools/golden/optim.py
"""

import json

import safetensors.torch
import torch

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__

STEPS = 6
SHAPES = [(4, 3, 3, 3), (7,)]
CASES = {
    "sgd_plain": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_decayed": (torch.optim.SGD, dict(lr=0.1, weight_decay=1e-2)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=1e-3)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True)),
    "adamw": (torch.optim.AdamW, dict(lr=2e-3, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.05)),
    "adamw_undecayed": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0.0)),
}


def steps(tensors, dtype, kind):
    generator = torch.Generator().manual_seed(20)
    starts = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES]
    grads = [[torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES] for _ in range(STEPS)]
    for i, start in enumerate(starts):
        tensors[f"{kind}.start.{i}"] = start
        for step in range(STEPS):
            tensors[f"{kind}.grad.{step}.{i}"] = grads[step][i]
    for name, (optimizer_class, options) in CASES.items():
        params = [start.clone().requires_grad_() for start in starts]
        optimizer = optimizer_class(params, **options, foreach=False, fused=False)
        for step in range(STEPS):
            for param, grad in zip(params, grads[step]):
                param.grad = grad.clone()
            optimizer.step()
            if step in (0, STEPS - 1):
                for i, param in enumerate(params):
                    tensors[f"{kind}.{name}.after.{step}.{i}"] = param.detach().clone()
        for i, param in enumerate(params):
            for key, value in optimizer.state[param].items():
                if key != "step" and value is not None:
                    tensors[f"{kind}.{name}.{key}.{i}"] = value.clone()


def clipping(tensors, metadata, dtype, kind):
    params = [torch.zeros(shape, dtype=dtype) for shape in SHAPES]
    for max_norm in (0.5, 1e3):
        for i, param in enumerate(params):
            param.grad = tensors[f"{kind}.grad.0.{i}"].clone()
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
        metadata[f"{kind}.norm"] = repr(norm.double().item())
        for i, param in enumerate(params):
            tensors[f"{kind}.clipped.{max_norm:g}.{i}"] = param.grad


def averaging(tensors, dtype, kind):
    averages = [tensors[f"{kind}.start.{i}"].clone() for i in range(len(SHAPES))]
    for step in range(STEPS):
        torch._foreach_lerp_(averages, [tensors[f"{kind}.grad.{step}.{i}"] for i in range(len(SHAPES))], weight=0.1)
    for i, average in enumerate(averages):
        tensors[f"{kind}.average.{i}"] = average


tensors, metadata = {}, {"cases": json.dumps({name: options for name, (_, options) in CASES.items()})}
for dtype, kind in ((torch.float32, "f32"), (torch.float64, "f64")):
    steps(tensors, dtype, kind)
    clipping(tensors, metadata, dtype, kind)
    averaging(tensors, dtype, kind)
safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "tch-ext/tests/golden/optim.safetensors", metadata)
