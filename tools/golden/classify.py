"""Makes datasets/tests/golden/classify/ from Pillow, torchvision and timm: resizing, evaluation, and every operation.

    .venv/bin/python tools/golden/classify.py
"""

import json
import pathlib
import random

import numpy
import PIL
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform
from timm.data.auto_augment import NAME_TO_OP
from timm.data.mixup import Mixup, cutmix_bbox_and_lam
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation
from torchvision.transforms import InterpolationMode, functional
from torchvision.transforms.autoaugment import AutoAugment, _apply_op

assert torchvision.__version__.split("+")[0] == "0.26.0", torchvision.__version__
assert timm.__version__ == "1.0.31", timm.__version__
assert PIL.__version__ == "13.0.0", PIL.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "datasets" / "tests" / "golden" / "classify"
DRAWS = 20_000
FILL = (124, 116, 104)
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def picture(height, width, seed, noise=24):
    """Waves with noise: smooth parts, edges and every level."""
    rng = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [numpy.sin(x / 5 + y / 9), numpy.cos(x / 11 - y / 4), numpy.sin((x + y) / 3) * (x > width // 3)]
    image = numpy.stack([128 + 110 * wave for wave in waves], -1) + rng.normal(0, noise, (height, width, 3))
    return Image.fromarray(image.clip(0, 255).astype(numpy.uint8), "RGB")


class Pixels:
    """Images one after another in a file of bytes."""

    def __init__(self):
        self.bytes = b""

    def add(self, image):
        self.bytes += image.convert("RGB").tobytes()
        return [image.height, image.width]


def resizing():
    source = picture(47, 61, 1)
    source.save(HERE / "resize.png", optimize=True)
    pixels, cases = Pixels(), []
    boxes = [None, [0, 0, 61, 47], [10, 5, 31, 40], [7.25, 3.5, 50.75, 44.125], [20, 20, 24, 25]]
    for box, (height, width) in zip(boxes, [(20, 24), (90, 100), (16, 16), (33, 29), (30, 40)]):
        for name, filter in FILTERS.items():
            found = source.resize((width, height), filter, box=box)
            cases.append({"box": box or [0, 0, 61, 47], "interpolation": name, "size": pixels.add(found)})
    (HERE / "resize.bin").write_bytes(pixels.bytes)
    (HERE / "resize.json").write_text(json.dumps(cases, indent=1) + "\n")


def evaluation():
    tall, wide = picture(150, 101, 2, noise=12), picture(83, 140, 3, noise=12)
    tall.save(HERE / "evaluate.png", optimize=True)
    wide.save(HERE / "evaluate.jpg", quality=92)
    pixels, cases = Pixels(), []
    settings = [
        ("evaluate.png", (48, 48), 0.875, "bilinear"),
        ("evaluate.png", (47, 47), 0.9, "bicubic"),
        ("evaluate.png", (40, 56), 0.95, "bilinear"),
        ("evaluate.jpg", (48, 48), 0.875, "bicubic"),
        ("evaluate.jpg", (51, 51), 1.0, "bilinear"),
        ("evaluate.jpg", (64, 64), 1.25, "bilinear"),
    ]
    for file, size, ratio, interpolation in settings:
        transform = create_transform((3, *size), crop_pct=ratio, interpolation=interpolation, normalize=False)
        found = transform(Image.open(HERE / file).convert("RGB"))
        found = Image.fromarray(found.permute(1, 2, 0).numpy())
        cases.append({"file": file, "crop_ratio": ratio, "interpolation": interpolation, "size": pixels.add(found)})
    (HERE / "evaluate.bin").write_bytes(pixels.bytes)
    (HERE / "evaluate.json").write_text(json.dumps(cases, indent=1) + "\n")


def operations():
    """Each operation with its argument as timm's functions take it; the same by torchvision where it has the operation."""
    source = picture(29, 37, 4, noise=40)
    source.save(HERE / "operations.png", optimize=True)
    pixels, cases = Pixels(), []

    def case(operation, argument, image, interpolation="bilinear"):
        cases.append({"operation": operation, "argument": argument, "interpolation": interpolation, "size": pixels.add(image)})

    names = {
        "auto_contrast": "AutoContrast", "equalize": "Equalize", "invert": "Invert", "posterize": "Posterize",
        "solarize": "Solarize", "solarize_add": "SolarizeAdd", "color": "Color", "contrast": "Contrast",
        "brightness": "Brightness", "sharpness": "Sharpness",
    }
    arguments = {
        "auto_contrast": [None], "equalize": [None], "invert": [None], "posterize": [1, 3, 8], "solarize": [0, 100, 256],
        "solarize_add": [0, 77], "color": [0.1, 0.73, 1.9], "contrast": [0.1, 0.73, 1.9], "brightness": [0.1, 0.73, 1.9],
        "sharpness": [0.1, 0.73, 1.9],
    }
    dark = source.point(lambda level: level // 3 + 40)
    for operation, name in names.items():
        for argument in arguments[operation]:
            extra = () if argument is None else (argument,)
            image = dark if operation in ("auto_contrast", "equalize") else source
            case(operation, argument, NAME_TO_OP[name](image, *extra))
    for name, filter in FILTERS.items():
        kwargs = {"resample": filter, "fillcolor": FILL}
        case("shear_x", -0.23, NAME_TO_OP["ShearX"](source, -0.23, **kwargs), name)
        case("shear_y", 0.3, NAME_TO_OP["ShearY"](source, 0.3, **kwargs), name)
        case("translate_x", 7.3, NAME_TO_OP["TranslateX"](source, 7.3, **kwargs), name)
        case("translate_y", -4.6, NAME_TO_OP["TranslateY"](source, -4.6, **kwargs), name)
        case("rotate", 17.0, NAME_TO_OP["Rotate"](source, 17.0, **kwargs), name)
        case("rotate", -30.0, NAME_TO_OP["Rotate"](source, -30.0, **kwargs), name)
    for turn in (-0.5, -0.09, 0.0, 0.11, 0.5):
        case("hue", turn, functional.adjust_hue(source, turn))
    (HERE / "operations.bin").write_bytes(pixels.bytes)
    (HERE / "operations.json").write_text(json.dumps(cases, indent=1) + "\n")


def policy():
    """torchvision's ImageNet policy: every operation at its magnitude and either sign, as pixels."""
    source = Image.open(HERE / "operations.png")
    auto = AutoAugment()
    space = auto._augmentation_space(10, (source.height, source.width))
    pixels, cases, seen = Pixels(), [], {}
    for pair in auto.policies:
        for name, _, level in pair:
            magnitudes, signed = space[name]
            magnitude = float(magnitudes[level].item()) if level is not None else 0.0
            for sign in (1, -1) if signed else (1,):
                key = (name, level, sign)
                if key not in seen:
                    image = _apply_op(source, name, sign * magnitude, InterpolationMode.BILINEAR, list(FILL))
                    seen[key] = True
                    cases.append({"operation": name, "level": level, "sign": sign, "size": pixels.add(image)})
    found = {"policies": auto.policies, "cases": cases}
    (HERE / "policy.bin").write_bytes(pixels.bytes)
    (HERE / "policy.json").write_text(json.dumps(found) + "\n")


def moments(rows):
    rows = torch.tensor(rows, dtype=torch.float64)
    return {"mean": rows.mean(0).tolist(), "deviation": rows.std(0).tolist()}


def distributions():
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
    crops = {}
    for size in [(240, 320), (60, 600)]:
        image = Image.new("RGB", size[::-1])
        rows = [RandomResizedCropAndInterpolation.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(DRAWS)]
        crops["x".join(map(str, size))] = moments([[left, top, width, height] for top, left, height, width in rows])
    erasing = RandomErasing(probability=1.0, mode="const", device="cpu")
    erased = []
    for _ in range(DRAWS // 4):
        shown = torch.ones(1, 48, 64)
        erasing(shown)
        rows, columns = (shown[0] == 0).any(1).nonzero(), (shown[0] == 0).any(0).nonzero()
        top, left = rows.min().item(), columns.min().item()
        erased.append([left, top, columns.max().item() + 1 - left, rows.max().item() + 1 - top])
    mixing = {}
    for name, (mixup, cutmix) in {"mixup": (0.2, 0.0), "cutmix": (0.0, 1.0), "both": (0.8, 1.0)}.items():
        mixer = Mixup(mixup, cutmix, prob=0.9, switch_prob=0.3)
        lambdas, windows, unmixed = [], [], 0
        for _ in range(DRAWS):
            lam, use_cutmix = mixer._params_per_batch()
            if lam == 1.0:
                unmixed += 1
            elif use_cutmix:
                (top, bottom, left, right), lam = cutmix_bbox_and_lam((2, 3, 48, 64), lam)
                windows.append([left, top, right - left, bottom - top])
                lambdas.append([lam])
            else:
                lambdas.append([lam])
        mixing[name] = {"unmixed": unmixed / DRAWS, "lambda": moments(lambdas), "cut": len(windows) / DRAWS}
        if windows:
            mixing[name]["window"] = moments(windows)
    found = {"draws": DRAWS, "crops": crops, "erasing": moments(erased), "mixing": mixing}
    (HERE / "distributions.json").write_text(json.dumps(found, indent=1) + "\n")


HERE.mkdir(parents=True, exist_ok=True)
resizing()
evaluation()
operations()
policy()
distributions()
for path in HERE.glob("*"):
    assert path.stat().st_size < 150_000, (path, path.stat().st_size)
