"""Makes backbone/tests/golden/mobileone_*.safetensors: outputs of timm's MobileOne, in fp64.

    .venv/bin/python tools/golden/mobileone.py

A reduced network with four branches and squeeze-and-excitation is written with its weights, with timm's names; S0 and S4 are filled
by `uniform`, which the test repeats, so that only their outputs are written (every 32nd channel of S4's features).
"""

import copy
import pathlib

import safetensors.torch
import timm
import torch
from timm.models.byobnet import ByobNet, ByoModelCfg, _mobileone_bcfg
from timm.utils import reparameterize_model

from weights import fill, uniform

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert timm.__version__ == "1.0.31", timm.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "backbone" / "tests" / "golden"
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


def save(name, tensors, kind):
    path = HERE / f"mobileone_{name}.safetensors"
    HERE.mkdir(parents=True, exist_ok=True)
    convert = lambda value: value.detach().contiguous().clone().to(kind if value.is_floating_point() else value.dtype)
    safetensors.torch.save_file({key: convert(value) for key, value in tensors.items()}, path)
    assert path.stat().st_size < 150_000, path


def outputs(model, xs):
    model.eval()
    with torch.no_grad():
        features = dict(zip(("c2", "c3", "c4", "c5"), model.forward_intermediates(xs, indices=[1, 2, 3, 4], intermediates_only=True)))
        return {**features, "logits": model(xs)}


def compare(model, xs):
    """Outputs of the train form, after timm's own re-parameterisation too, which has to leave them alone."""
    expected = outputs(model, xs)
    deploy = reparameterize_model(copy.deepcopy(model))
    for key, value in outputs(deploy, xs).items():
        assert torch.allclose(value, expected[key], rtol=1e-10, atol=1e-10), key
    return expected, deploy


def step(model, xs):
    """Output, some gradients and some running statistics of one step in training mode."""
    model.train()
    xs = xs.clone().requires_grad_()
    logits = model(xs)
    logits.square().sum().backward()
    state, gradients = model.state_dict(), {key: value.grad for key, value in model.named_parameters()}
    watched = (
        "stem.conv_kxk.0.conv.weight", "stem.conv_scale.bn.weight", "stages.0.1.identity.bias", "stages.1.0.conv_scale.bn.weight",
        "stages.2.1.conv_kxk.3.conv.weight", "stages.2.2.identity.weight", "stages.2.3.attn.fc1.weight", "stages.3.1.conv_kxk.2.bn.bias",
    )
    statistics = ("stem.conv_kxk.0.bn", "stages.0.1.identity", "stages.2.2.conv_scale.bn", "stages.3.1.conv_kxk.2.bn")
    moved = {f"after.{key}.{part}": state[f"{key}.{part}"] for key in statistics for part in ("running_mean", "running_var")}
    return {"train.logits": logits, "train.xs": xs.grad[:, :, ::4, ::4], **{f"gradient.{key}": gradients[key] for key in watched}, **moved}


def small():
    blocks = _mobileone_bcfg(d=(1, 1, 2, 1), wf=(0.25, 0.125, 0.125, 0.0625), se_blocks=(0, 0, 1, 1), num_conv_branches=4)
    model = ByobNet(ByoModelCfg(blocks=blocks, stem_type="one", stem_chs=16, attn_kwargs=dict(rd_divisor=1)), num_classes=5)
    fill(model)
    model.half()
    save("small_timm", model.state_dict(), torch.float16)
    model.double()
    xs = uniform("xs", (2, 3, 64, 64))
    expected, deploy = compare(model, xs)
    fused = {f"fused.{key}": value for key, value in deploy.state_dict().items()}
    save("small_reference", {**expected, **fused, **step(model, xs)}, torch.float32)


def whole(variant, every):
    model = timm.create_model(f"mobileone_{variant}").double()
    fill(model)
    expected, _ = compare(model, uniform("xs", (1, 3, 64, 64)))
    save(f"{variant}_reference", {key: value if key == "logits" else value[:, ::every] for key, value in expected.items()}, torch.float32)


small()
whole("s0", 1)
whole("s4", 32)
