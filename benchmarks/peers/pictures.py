"""Writes 400 JPEG pictures of 500x375 with boxes into FOLDER, and a configuration of a detector and of a classifier on them."""

import json
import pathlib
import sys

import numpy as np
from PIL import Image

COUNT, WIDTH, HEIGHT, CLASSES = 400, 500, 375, 5

DETECT = """\
task: detect
backbone: { variant: s0 }
data:
  train: { format: coco, images: images, annotations: instances.json }
  val: { format: coco, images: images, annotations: instances.json }
"""
CLASSIFY = """\
task: classify
backbone: { variant: s0 }
data:
  train: { format: folder, path: classes }
  val: { format: folder, path: classes }
"""


def main():
    folder = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for label in range(CLASSES):
        (folder / "classes" / str(label)).mkdir(parents=True)
    images, annotations = [], []
    for number in range(COUNT):
        # Smooth noise compresses as photographs do.
        small = generator.integers(0, 256, (HEIGHT // 12, WIDTH // 12, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        name = f"{number:04}.jpg"
        picture.save(folder / "images" / name, quality=92)
        picture.save(folder / "classes" / str(number % CLASSES) / name, quality=92)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for _ in range(4):
            x, y = float(generator.uniform(0, WIDTH - 160)), float(generator.uniform(0, HEIGHT - 160))
            width, height = map(float, generator.uniform(40, 150, 2))
            box = {"bbox": [x, y, width, height], "area": width * height, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": number % CLASSES + 1, **box})
    categories = [{"id": number + 1, "name": f"class {number}"} for number in range(CLASSES)]
    (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    (folder / "detect.yaml").write_text(DETECT)
    (folder / "classify.yaml").write_text(CLASSIFY)


if __name__ == "__main__":
    main()
