"""Makes noisy predictions from COCO annotations: `noisy.py ANNOTATIONS FOLDER SEED` writes FOLDER/bbox.json and
FOLDER/segm.json.

A fifth of the objects is dropped; the others are detected once to three times, moved and scaled. A tenth of the detections has
another class, and every image has false positives. Scores are random, on average higher for smaller moves, and have two digits so
that some are equal. A mask is the object's, moved like its box; that of a false positive is an ellipse. A seed decides both files.
"""

import json
import pathlib
import sys

import numpy as np
from pycocotools import mask as api


def decoded(annotation, height, width):
    """The object's pixels, [H, W]."""
    mask = annotation["segmentation"]
    if isinstance(mask, list):
        mask = api.merge(api.frPyObjects(mask, height, width))
    elif isinstance(mask["counts"], list):
        mask = api.frPyObjects(mask, height, width)
    return api.decode(mask)


def moved(mask, shift, scale):
    """The mask, scaled around its centre and shifted by (x, y) pixels, with nearest-neighbour sampling."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return mask
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    source_rows = np.rint((np.arange(height) - middle[0] - shift[1]) / scale[1] + middle[0]).astype(int)
    source_columns = np.rint((np.arange(width) - middle[1] - shift[0]) / scale[0] + middle[1]).astype(int)
    inside = ((source_rows >= 0) & (source_rows < height))[:, None] & ((source_columns >= 0) & (source_columns < width))
    picked = mask[np.clip(source_rows, 0, height - 1)[:, None], np.clip(source_columns, 0, width - 1)]
    return np.where(inside, picked, 0).astype(np.uint8)


def ellipse(height, width, bbox):
    x, y, w, h = bbox
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    return ((((columns - x - w / 2) / (w / 2)) ** 2 + ((rows - y - h / 2) / (h / 2)) ** 2) <= 1).astype(np.uint8)


def encoded(mask):
    runs = api.encode(np.asfortranarray(mask))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode()}


def found(rng, annotation, image, categories):
    """Detections of one object: boxes, masks and scores."""
    x, y, w, h = annotation["bbox"]
    mask = decoded(annotation, image["height"], image["width"])
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        noise = rng.choice([0.02, 0.08, 0.25])
        shift, scale = rng.normal(0, noise, 2) * (w, h), np.exp(rng.normal(0, noise, 2))
        category = annotation["category_id"] if rng.random() < 0.9 else rng.choice(categories)
        score = np.clip(rng.normal(0.75 - 1.5 * noise, 0.2), 0.01, 1)
        bbox = [x + w / 2 + shift[0] - w * scale[0] / 2, y + h / 2 + shift[1] - h * scale[1] / 2, w * scale[0], h * scale[1]]
        yield category, bbox, moved(mask, shift, scale), score


def false_positives(rng, image, categories):
    for _ in range(rng.poisson(3)):
        w, h = np.exp(rng.uniform(np.log(8), np.log(200), 2))
        bbox = [rng.uniform(0, max(image["width"] - w, 1)), rng.uniform(0, max(image["height"] - h, 1)), w, h]
        yield rng.choice(categories), bbox, ellipse(image["height"], image["width"], bbox), rng.uniform(0.01, 0.6)


def predictions(dataset, seed):
    rng = np.random.default_rng(seed)
    categories = [category["id"] for category in dataset["categories"]]
    for image in dataset["images"]:
        objects = [a for a in dataset["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        for annotation in objects:
            if rng.random() >= 0.2:
                yield from ((image["id"], *detection) for detection in found(rng, annotation, image, categories))
        yield from ((image["id"], *detection) for detection in false_positives(rng, image, categories))


def main():
    annotations, folder, seed = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    boxes, masks = [], []
    for image_id, category_id, bbox, mask, score in predictions(json.loads(annotations.read_text()), seed):
        head = {"image_id": image_id, "category_id": int(category_id), "score": round(float(score), 2)}
        boxes.append({**head, "bbox": [round(float(side), 2) for side in bbox]})
        masks.append({**head, "segmentation": encoded(mask)})
    for name, detections in (("bbox", boxes), ("segm", masks)):
        (folder / f"{name}.json").write_text(json.dumps(detections))
    print(f"{len(boxes)} detections", file=sys.stderr)


if __name__ == "__main__":
    main()
