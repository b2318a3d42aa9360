"""Makes heads/tests/golden/deeplabv3_*.safetensors: outputs of torchvision's DeepLabV3 head for small inputs.

    .venv/bin/python tools/golden/deeplabv3.py

Weights and features are fp32, everything else is computed in fp64.
"""

import pathlib

import safetensors.torch
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.segmentation._utils import _SimpleSegmentationModel
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.fcn import FCNHead

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert torchvision.__version__.split("+")[0] == "0.26.0", torchvision.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "heads" / "tests" / "golden"
C4, C5, CHANNELS, CLASSES = 16, 12, 8, 4
IGNORED = 255
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


def save(name, tensors):
    path = HERE / f"deeplabv3_{name}.safetensors"
    safetensors.torch.save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, path)
    assert path.stat().st_size < 150_000, path


def separable(inputs, outputs, rate):
    def block(*args, **options):
        conv = nn.Conv2d(*args, bias=False, **options)
        return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())

    return nn.Sequential(
        block(inputs, inputs, 3, padding=rate, dilation=rate, groups=inputs), block(inputs, outputs, 1)
    )


def head(rates, *, separated, extra):
    """torchvision's DeepLabHead, which has 256 channels and the extra convolution always."""
    pyramid = ASPP(C5, rates, CHANNELS)
    if separated:
        for index, rate in enumerate(rates, 1):
            pyramid.convs[index] = separable(C5, CHANNELS, rate)
    layers = [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU()]
    if not extra:
        layers = [nn.Identity() for _ in layers]
    return nn.Sequential(pyramid, *layers, nn.Conv2d(CHANNELS, CLASSES, 1))


class Given(nn.Module):
    """Stands for the backbone."""

    def forward(self, xs):
        return {"out": self.out, "aux": self.aux}


def trained(model, rng):
    """Values that a trained network could have, exact in fp32."""
    for name, value in model.state_dict().items():
        random = torch.rand(value.shape, generator=rng) * 2 - 1
        if name.endswith("running_var"):
            random = random * 0.75 + 1.25
        elif name.endswith(("running_mean", "bias")):
            random = random * 0.35
        elif value.dim() == 1:
            random = random * 0.5 + 0.75
        elif value.dim() > 1:
            random = random * (6 / value[0].numel()) ** 0.5
        else:
            continue
        value.copy_(random)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.double()


def network(name, seed, grids, size, rates, *, separated, extra, auxiliary):
    rng = torch.Generator().manual_seed(seed)
    model = _SimpleSegmentationModel(
        Given(), head(rates, separated=separated, extra=extra), FCNHead(C4, CLASSES) if auxiliary else None
    )
    trained(model, rng)
    targets = torch.randint(0, CLASSES, (3, *size), generator=rng)
    targets[torch.rand(targets.shape, generator=rng) < 0.2] = IGNORED
    tensors = {"targets": targets.to(torch.uint8)}
    for key, channels, grid in (("c4", C4, grids[0]), ("c5", C5, grids[1])):
        tensors[key] = torch.randn(3, channels, *grid, generator=rng).relu()
    state = {key: value.float() for key, value in model.state_dict().items() if "num_batches" not in key}
    tensors |= {f"before.{key}": value for key, value in state.items()}

    model.backbone.aux = tensors["c4"].double().requires_grad_()
    model.backbone.out = tensors["c5"].double().requires_grad_()
    image = torch.zeros(3, 3, *size)
    tensors["eval.logits"] = model.eval().classifier(model.backbone.out)
    tensors["eval.classes"] = model(image)["out"].argmax(1).to(torch.uint8)
    model.train()
    for key, module in (("logits", model.classifier), ("auxiliary", model.aux_classifier)):
        if module is not None:
            keep = lambda module, inputs, output, key=key: tensors.update({f"train.{key}": output})
            module.register_forward_hook(keep)
    outputs = model(image)
    tensors["train.upsampled"] = outputs["out"][:1]
    # The criterion of torchvision's references/segmentation/train.py.
    losses = {key: F.cross_entropy(logits, targets, ignore_index=IGNORED) for key, logits in outputs.items()}
    tensors |= {f"loss.{key}": value for key, value in losses.items()}
    total = losses["out"] + 0.5 * losses["aux"] if auxiliary else losses["out"]
    total.backward()
    tensors["grad.c5"] = model.backbone.out.grad
    if auxiliary:
        tensors["grad.c4"] = model.backbone.aux.grad
    tensors |= {f"grad.{key}": value.grad for key, value in model.named_parameters()}
    after = {key: value for key, value in model.state_dict().items() if "running" in key}
    tensors |= {f"after.{key}": value for key, value in after.items()}
    save(name, tensors)


def ohem(logits, targets, threshold, least):
    """The rule of MMSegmentation's OhemCrossEntropy without class weights, for batches of more than `least` pixels."""
    losses = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    counted = targets != IGNORED
    probabilities = (-losses[counted]).exp()
    bound = probabilities.sort().values[least].clamp(min=threshold)
    kept = probabilities < bound
    return losses[counted][kept].mean(), kept.sum()


def loss():
    rng = torch.Generator().manual_seed(11)
    logits = torch.randn(2, CLASSES, 5, 6, generator=rng) * 3
    targets = torch.randint(0, CLASSES, (2, 5, 6), generator=rng)
    targets[torch.rand(targets.shape, generator=rng) < 0.25] = IGNORED
    class_weights = torch.tensor([0.25, 1.0, 3.5, 0.0])
    tensors = {"logits": logits, "targets": targets, "class_weights": class_weights}

    def run(name, of):
        leaf = logits.double().requires_grad_()
        value = of(leaf)
        value.backward()
        tensors[f"{name}.loss"], tensors[f"{name}.grad"] = value, leaf.grad

    run("plain", lambda leaf: F.cross_entropy(leaf, targets, ignore_index=IGNORED))
    run("weighted", lambda leaf: F.cross_entropy(leaf, targets, class_weights.double(), ignore_index=IGNORED))
    for name, threshold, least in (("ohem.threshold", 0.7, 5), ("ohem.least", 0.01, 20)):
        _, kept = ohem(logits.double(), targets, threshold, least)
        counted = (targets != IGNORED).sum()
        assert least < kept < counted if name == "ohem.threshold" else least == kept < counted, (name, kept, counted)
        run(name, lambda leaf: ohem(leaf, targets, threshold, least)[0])
    save("loss", tensors)


HERE.mkdir(parents=True, exist_ok=True)
network("full", 1, [(6, 5), (6, 5)], (23, 19), [6, 12, 18], separated=False, extra=True, auxiliary=True)
network("bare", 2, [(4, 5), (2, 3)], (13, 17), [1, 2], separated=False, extra=False, auxiliary=False)
network("separable", 3, [(5, 6), (5, 6)], (20, 21), [2, 3, 5], separated=True, extra=True, auxiliary=True)
loss()
