"""Makes backbone/tests/golden/pickle_*: files of torch.save, in the formats and nestings of checkpoints.

    .venv/bin/python tools/golden/pickles.py

The tensors are those of the stem and the classifier in mobileone_small_timm.safetensors, which the test reads too.
"""

import collections
import pathlib

import safetensors.torch
import torch

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "backbone" / "tests" / "golden"


class Command:
    """What a hostile file holds: unpickled by Python, it runs a command."""

    def __reduce__(self):
        import os

        return os.system, ("echo this must not run",)


everything = safetensors.torch.load_file(HERE / "mobileone_small_timm.safetensors")
tensors = collections.OrderedDict((key, value) for key, value in everything.items() if key.startswith(("stem.", "head.")))
assert len(tensors) > 10

average = collections.OrderedDict((key, torch.zeros_like(value)) for key, value in tensors.items())
nested = {
    "epoch": 7,
    "arch": "mobileone",
    "state_dict": collections.OrderedDict(("module." + key, value.half() if value.is_floating_point() else value) for key, value in tensors.items()),
    "state_dict_average": average,
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
}
torch.save(nested, HERE / "pickle_nested_half.pth")
torch.save(tensors, HERE / "pickle_legacy.pth.tar", _use_new_zipfile_serialization=False)
# What a reader of weights cannot use, each beside sound weights.
odd = {
    "complex": torch.randn(2, dtype=torch.complex64),
    "float8": torch.ones(2).to(torch.float8_e4m3fn),
    "sparse": torch.eye(2).to_sparse(),
    "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "uint16": torch.tensor([1], dtype=torch.uint16),
    "parameter": torch.nn.Parameter(torch.ones(2, dtype=torch.complex64)),
}


class Average:
    """An object with tensors among its attributes, as some trainers keep their averages."""

    def __init__(self):
        self.shadow = {"stem.conv_kxk.0.conv.weight": torch.ones(2)}


some = collections.OrderedDict(list(tensors.items())[:6])
for name, value in odd.items():
    torch.save({"x": value, "state_dict": some, "y": {"z": value}}, HERE / f"pickle_odd_{name}.pth")
torch.save({(1, 2): 3, None: torch.ones(1), "state_dict": some}, HERE / "pickle_odd_key.pth")
torch.save({"average": Average(), "state_dict": some, "again": [some, {"x": odd}]}, HERE / "pickle_odd_object.pth")
torch.save({"state_dict": some, "average": Average(), "x": odd["float8"], "y": odd["sparse"]}, HERE / "pickle_odd_protocol_4.pth", pickle_protocol=4)

torch.save({"state_dict": {"stem.conv_kxk.0.conv.weight": Command()}}, HERE / "pickle_command.pth")
# One element seen as many: a file of a kilobyte that asks for four gigabytes.
torch.save({"stem.conv_kxk.0.conv.weight": torch.ones(1).expand(1 << 30)}, HERE / "pickle_expanded.pth")
