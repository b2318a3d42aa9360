"""Makes heads/tests/golden/classifier.safetensors: outputs of PyTorch's and timm's classification head and losses for small inputs.

    .venv/bin/python tools/golden/classifier.py

Inputs are fp32; outputs, losses and gradients are computed from them in fp64, timm's mixed targets in fp32.
"""

import pathlib

import safetensors.torch
import timm
import torch
from timm.data.mixup import mixup_target
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from torch import nn
from torch.nn import functional as F

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert timm.__version__ == "1.0.31", timm.__version__

PATH = pathlib.Path(__file__).resolve().parents[2] / "heads" / "tests" / "golden" / "classifier.safetensors"
IMAGES, CHANNELS, CLASSES, LAM, SMOOTHING = 6, 10, 5, 0.3, 0.1
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

rng = torch.Generator().manual_seed(1)
c5 = torch.randn(IMAGES, CHANNELS, 3, 4, generator=rng)
model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, CLASSES))
for parameter in model.parameters():
    parameter.data = torch.randn(parameter.shape, generator=rng)
labels = torch.randint(0, CLASSES, (IMAGES,), generator=rng)
class_weights = torch.rand(CLASSES, generator=rng) * 2
mixed = mixup_target(labels, CLASSES, LAM, SMOOTHING)
tensors = {
    "c5": c5,
    "linear.weight": model[2].weight,
    "linear.bias": model[2].bias,
    "labels": labels,
    "class_weights": class_weights,
    "mixed": mixed,
    "mixed.plain": mixup_target(labels, CLASSES, LAM, 0.0),
}
model.double()
leaf = c5.double().requires_grad_()
tensors["logits"] = model(leaf)
tensors["logits"].square().sum().backward()
tensors |= {"grad.c5": leaf.grad, "grad.linear.weight": model[2].weight.grad, "grad.linear.bias": model[2].bias.grad}


def run(name, criterion, targets):
    logits = tensors["logits"].detach().clone().requires_grad_()
    value = criterion(logits, targets)
    value.backward()
    tensors[f"{name}.loss"], tensors[f"{name}.grad"] = value, logits.grad
    return value


weights = class_weights.double()
run("hard", nn.CrossEntropyLoss(), labels)
smooth = run("hard.smooth", nn.CrossEntropyLoss(label_smoothing=SMOOTHING), labels)
assert torch.isclose(smooth, LabelSmoothingCrossEntropy(SMOOTHING)(tensors["logits"], labels))
run("hard.weighted", nn.CrossEntropyLoss(weights), labels)
run("hard.smooth.weighted", nn.CrossEntropyLoss(weights, label_smoothing=SMOOTHING), labels)
soft = run("soft", SoftTargetCrossEntropy(), mixed.double())
late = F.cross_entropy(tensors["logits"], tensors["mixed.plain"].double(), label_smoothing=SMOOTHING)
assert torch.isclose(soft, late), "smoothing commutes with mixing"
run("soft.smooth.weighted", nn.CrossEntropyLoss(weights, label_smoothing=SMOOTHING), tensors["mixed.plain"].double())
safetensors.torch.save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, PATH)
