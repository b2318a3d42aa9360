"""From the start of a program to the end of its help."""

import sys

from rounds import Contest, watch


def contests(options, _folder):
    sides = {
        "this program": [options.pipeline, "--help"],
        "import of torch, torchvision and timm": [sys.executable, "-c", "import timm, torch, torchvision"],
    }
    side = lambda command: lambda: watch(command)[1]
    yield Contest("start", {"seconds": "s", "peak_mb": "MB"}, {name: side(command) for name, command in sides.items()},
                  against="import of torch, torchvision and timm")
