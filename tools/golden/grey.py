"""Makes datasets/tests/golden/classify/grey.json: what Pillow does with an image of one channel.

    .venv/bin/python tools/golden/grey.py
"""

import json
import pathlib

import numpy
import PIL
from PIL import Image, ImageEnhance, ImageOps

FILE = pathlib.Path(__file__).resolve().parents[2] / "datasets" / "tests" / "golden" / "classify" / "grey.json"
WIDTH, HEIGHT = 37, 29
FILL = 115

y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
LEVELS = ((x * 11 + y * 7 + x * y) % 151 + 40).astype(numpy.uint8)
grey = Image.fromarray(LEVELS)
cases = []


def put(operation, argument, image, interpolation="bilinear"):
    assert image.mode == "L"
    width, height = image.size
    case = {"operation": operation, "argument": argument, "interpolation": interpolation, "size": [height, width]}
    cases.append(case | {"pixels": numpy.asarray(image).tobytes().hex()})


for factor in (0.3, 1.4, 1.9):
    put("brightness", factor, ImageEnhance.Brightness(grey).enhance(factor))
    put("contrast", factor, ImageEnhance.Contrast(grey).enhance(factor))
    put("sharpness", factor, ImageEnhance.Sharpness(grey).enhance(factor))
put("auto_contrast", None, ImageOps.autocontrast(grey))
put("equalize", None, ImageOps.equalize(grey))
put("invert", None, ImageOps.invert(grey))
put("posterize", 3, ImageOps.posterize(grey, 3))
put("solarize", 90, ImageOps.solarize(grey, 90))
for name, resample in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
    affine = Image.Transform.AFFINE
    put("shear_x", 0.25, grey.transform(grey.size, affine, (1, 0.25, 0, 0, 1, 0), resample, fillcolor=FILL), name)
    put("translate_y", -4.5, grey.transform(grey.size, affine, (1, 0, 0, 0, 1, -4.5), resample, fillcolor=FILL), name)
    for width, height in ((20, 11), (64, 50)):
        put("resize", None, grey.resize((width, height), resample), name)

source = {"size": [HEIGHT, WIDTH], "pixels": LEVELS.tobytes().hex()}
FILE.write_text(json.dumps({"pillow": PIL.__version__, "source": source, "cases": cases}, indent=0) + "\n")
print(f"{len(cases)} cases, {FILE.stat().st_size} bytes")
