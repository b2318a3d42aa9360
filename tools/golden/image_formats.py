"""Makes datasets/tests/golden/formats/: one small file of each image format and variant, and their properties by Pillow.

    .venv/bin/python tools/golden/image_formats.py
"""

import json
import pathlib

import PIL
from PIL import Image, features

HERE = pathlib.Path(__file__).resolve().parents[2] / "datasets" / "tests" / "golden" / "formats"
SIZE = (23, 14)

assert features.check("webp")
HERE.mkdir(parents=True, exist_ok=True)
ramp = Image.linear_gradient("L").resize(SIZE)
rgb = Image.merge("RGB", (ramp, ramp.rotate(180), ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
rgba = rgb.copy()
rgba.putalpha(ramp)
exif = Image.Exif()
exif[0x0112] = 6

rgb.save(HERE / "rgb.jpg", quality=80)
rgb.save(HERE / "progressive.jpg", quality=80, progressive=True)
rgb.save(HERE / "turned.jpg", quality=80, exif=exif)
ramp.save(HERE / "grey.jpg", quality=80)
rgb.convert("CMYK").save(HERE / "cmyk.jpg", quality=80)
rgb.save(HERE / "rgb.png")
rgb.save(HERE / "turned.png", exif=exif)
rgba.save(HERE / "alpha.png")
ramp.convert("I;16").save(HERE / "deep.png")
rgb.save(HERE / "animated.png", save_all=True, append_images=[rgb.rotate(180)], default_image=False)
rgb.save(HERE / "lossy.webp", quality=60)
rgb.save(HERE / "lossless.webp", lossless=True)
rgba.save(HERE / "alpha.webp", quality=60)
rgb.save(HERE / "animated.webp", save_all=True, append_images=[rgb.rotate(180)])
rgb.save(HERE / "rgb.bmp")
rgb.save(HERE / "rgb.tif", compression="tiff_lzw")
ramp.save(HERE / "grey.tif")
rgb.save(HERE / "rgb.ppm")
ramp.save(HERE / "grey.pgm")

facts = {}
for path in sorted(HERE.iterdir()):
    if path.suffix == ".json":
        continue
    with Image.open(path) as image:
        facts[path.name] = {
            "width": image.width,
            "height": image.height,
            "grey": image.mode in ("L", "I;16", "I"),
            "cmyk": image.mode == "CMYK",
            "deep": image.mode in ("I;16", "I"),
            "alpha": image.mode == "RGBA",
            "turned": image.getexif().get(0x0112, 1) != 1,
            "animated": getattr(image, "n_frames", 1) > 1,
        }
(HERE / "facts.json").write_text(json.dumps({"pillow": PIL.__version__, "files": facts}, indent=1) + "\n")
