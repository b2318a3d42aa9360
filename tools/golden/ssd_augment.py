"""Makes datasets/tests/golden/photometric.{json,png} and ssd_augment.json from torchvision's SSD augmentation.

    .venv/bin/python tools/golden/ssd_augment.py
"""

import json
import pathlib

import numpy
import torch
import torchvision
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert torchvision.__version__.split("+")[0] == "0.26.0", torchvision.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "datasets" / "tests" / "golden"
HEIGHT, WIDTH = 24, 48
SOURCE = (240, 320)  # height, width
BOXES = [[20, 30, 150, 140], [200, 60, 300, 220], [10, 180, 60, 230], [150, 10, 180, 40]]
DRAWS = 20_000


def palette_of_hard_cases():
    """Noise, greys, pure and near-pure colours."""
    rng = numpy.random.default_rng(5)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=numpy.uint8)
    image[:4] = rng.integers(0, 256, (4, WIDTH, 1), dtype=numpy.uint8)
    image[4:8] = rng.choice([0, 1, 254, 255], (4, WIDTH, 3)).astype(numpy.uint8)
    image[8:12, :, 1] = image[8:12, :, 0]
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def distort(image, case):
    """RandomPhotometricDistort.transform with given parameters."""
    params = {
        "brightness_factor": case["brightness"],
        "contrast_factor": case["contrast"] if case["contrast"] is not None else case["contrast_last"],
        "saturation_factor": case["saturation"],
        "hue_factor": case["hue"],
        "contrast_before": case["contrast"] is not None,
        "channel_permutation": torch.tensor(case["channels"]) if case["channels"] != [0, 1, 2] else None,
    }
    return v2.RandomPhotometricDistort().transform(image, params)


def case(**given):
    empty = {"brightness": None, "contrast": None, "saturation": None, "hue": None, "contrast_last": None}
    return empty | {"channels": [0, 1, 2]} | given


def photometric():
    cases = [
        case(brightness=0.875),
        case(brightness=1.11),
        case(contrast=0.53),
        case(contrast=1.47),
        case(saturation=0.5),
        case(saturation=1.43),
        case(hue=-0.05),
        case(hue=0.031),
        case(hue=0.5),
        case(channels=[2, 0, 1]),
        case(brightness=0.93, contrast=1.3, saturation=0.7, hue=0.04, channels=[1, 2, 0]),
        case(brightness=1.07, saturation=1.3, hue=-0.02, contrast_last=0.8, channels=[0, 2, 1]),
    ]
    image = palette_of_hard_cases()
    rows = [image] + [distort(image, one) for one in cases]
    stacked = torch.cat(rows, dim=1).permute(1, 2, 0).numpy()
    Image.fromarray(stacked).save(HERE / "photometric.png", optimize=True)
    (HERE / "photometric.json").write_text(json.dumps({"height": HEIGHT, "cases": cases}, indent=1) + "\n")


def geometry():
    """Means over many draws of what the geometric steps do to one scene."""
    torch.manual_seed(0)
    boxes = tv_tensors.BoundingBoxes(torch.tensor(BOXES), format="XYXY", canvas_size=SOURCE)
    image = tv_tensors.Image(torch.zeros(1, *SOURCE, dtype=torch.uint8))
    crop, zoom = v2.RandomIoUCrop(), v2.RandomZoomOut(p=1.0)
    unchanged, cropped, kept, zoomed = 0, [], [], []
    for _ in range(DRAWS):
        params = crop.make_params([image, boxes])
        if params:
            left, top, width, height = (params[key] for key in ("left", "top", "width", "height"))
            cropped.append([left, top, width, height])
            kept.append(params["is_within_crop_area"].double().tolist())
        else:
            unchanged += 1
        left, top, right, bottom = zoom.make_params([image])["padding"]
        zoomed.append([left, top, left + SOURCE[1] + right, top + SOURCE[0] + bottom])
    mean = lambda rows: torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
    deviation = lambda rows: torch.tensor(rows, dtype=torch.float64).std(0).tolist()
    found = {
        "source": list(SOURCE),
        "boxes": BOXES,
        "draws": DRAWS,
        "unchanged": unchanged / DRAWS,
        "crop": {"mean": mean(cropped), "deviation": deviation(cropped)},
        "kept": mean(kept),
        "zoom_out": {"mean": mean(zoomed), "deviation": deviation(zoomed)},
    }
    (HERE / "ssd_augment.json").write_text(json.dumps(found, indent=1) + "\n")


HERE.mkdir(parents=True, exist_ok=True)
photometric()
geometry()
for path in HERE.glob("*"):
    assert path.stat().st_size < 150_000, path
