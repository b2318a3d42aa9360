"""Makes backbone/tests/golden/published_*.safetensors: outputs of timm's and torchvision's networks, in fp64, and their counts.

    .venv/bin/python tools/golden/published.py

The weights are those of `fill` in weights.py, which the test repeats, so that only outputs are written: every 8th channel of the
features of a small image, the logits, and the features at output stride 16 where the library has it. `counts` are the trainable
parameters and, by PyTorch's own counter, the multiply-adds of one image of 224x224.
"""

import pathlib

import safetensors.torch
import timm
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from weights import fill, uniform

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert timm.__version__ == "1.0.31", timm.__version__
assert torchvision.__version__.split("+")[0] == "0.26.0", torchvision.__version__

# The counter has no rule for the fused attention of the CPU.
timm.layers.set_fused_attn(False)
HERE = pathlib.Path(__file__).resolve().parents[2] / "backbone" / "tests" / "golden"
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

# Ours, theirs, the modules whose outputs are the features, whether timm dilates it.
NETWORKS = (
    ("mobilenet_v1", "mobilenetv1_100", ("blocks.1", "blocks.2", "blocks.3", "blocks.4"), True),
    ("mobilenet_v2", "mobilenetv2_100", ("blocks.1", "blocks.2", "blocks.4", "blocks.6"), True),
    ("mobilenet_v3_large", "mobilenetv3_large_100", ("blocks.1", "blocks.2", "blocks.4", "blocks.6"), False),
    ("shufflenet_v2_x1_0", "shufflenet_v2_x1_0", ("maxpool", "stage2", "stage3", "stage4"), False),
    ("efficientnet_b0", "efficientnet_b0", ("blocks.1", "blocks.2", "blocks.4", "blocks.6"), True),
    ("repvgg_a0", "repvgg_a0", ("stages.0", "stages.1", "stages.2", "stages.3"), True),
    ("mobilevit_s", "mobilevit_s", ("stages.1", "stages.2", "stages.3", "stages.4"), False),
)


def create(theirs, **settings):
    if theirs.startswith("shufflenet"):
        return torchvision.models.get_model(theirs)
    return timm.create_model(theirs, **settings)


def outputs(model, modules, xs):
    found = {}
    hooks = [
        model.get_submodule(module).register_forward_hook(lambda _, __, ys, name=name: found.__setitem__(name, ys))
        for name, module in zip(("c2", "c3", "c4", "c5"), modules)
    ]
    with torch.no_grad():
        found["logits"] = model(xs)
    for hook in hooks:
        hook.remove()
    return found


def counts(theirs):
    model = create(theirs).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return torch.tensor([parameters, counter.get_total_flops() // 2])


for ours, theirs, modules, dilates in NETWORKS:
    # The sides of MobileViT's maps are odd at stride 32: there it resizes them.
    xs = uniform("xs", (1, 3, 96, 96))
    tensors = {"counts": counts(theirs)}
    for prefix, settings in (("", {}), *([("os16.", {"output_stride": 16})] if dilates else [])):
        model = create(theirs, **settings).double().eval()
        fill(model)
        for name, value in outputs(model, modules, xs).items():
            if name == "logits" or name == "c5" or not prefix:
                tensors[prefix + name] = (value[:, ::8] if value.dim() == 4 else value).float().contiguous().clone()
    path = HERE / f"published_{ours}.safetensors"
    safetensors.torch.save_file(tensors, path)
    print(ours, tensors["counts"].tolist(), path.stat().st_size)
    assert path.stat().st_size < 150_000, path
