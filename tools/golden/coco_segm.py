"""Makes eval/tests/golden/coco_segm_{annotations,predictions,expected}.json: a small problem of masks, and pycocotools' statistics
for it. There are polygons of one and two parts, some reaching beyond the image, crowds and masks with holes as runs, and
predictions as COCO's strings and, every third, as runs; pycocotools cannot load runs and gets them as strings.

    .venv/bin/python tools/golden/coco_segm.py
"""

import contextlib
import importlib.metadata
import io
import json
import math
import pathlib
import random

import numpy as np
from pycocotools import mask as api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

assert importlib.metadata.version("pycocotools") == "2.0.11"
assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
CATEGORIES = {2: "leaf", 5: "ring", 9: "never seen"}
HEIGHT, WIDTH = 200, 260

rng = random.Random(20170902)


def polygon(x, y, radius, points):
    """A star-shaped polygon, x, y, x, y, ..."""
    corners = []
    for number in range(points):
        angle = 2 * math.pi * (number + rng.uniform(-0.3, 0.3)) / points
        reach = radius * rng.uniform(0.6, 1.2)
        corners += [round(x + reach * math.cos(angle), 2), round(y + reach * math.sin(angle), 2)]
    return corners


def pixels(polygons):
    return api.decode(api.merge(api.frPyObjects(polygons, HEIGHT, WIDTH))).astype(bool)


def moved(mask, amount):
    mask = np.roll(mask, (rng.randint(-amount, amount), rng.randint(-amount, amount)), axis=(0, 1))
    if amount > 1:
        mask &= np.array([[rng.random() < 0.97 for _ in range(WIDTH // 5)] for _ in range(HEIGHT // 5)]).repeat(5, 0).repeat(5, 1)
    return mask


def runs(mask):
    """Runs of background and object in turns, down the columns."""
    flat = mask.flatten(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return {"size": [HEIGHT, WIDTH], "counts": ([0] if flat[0] else []) + counts}


def string(mask):
    encoded = api.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


images = [{"id": 3 + 11 * number, "width": WIDTH, "height": HEIGHT, "file_name": f"{number:02}.jpg"} for number in range(20)]
rng.shuffle(images)
annotations, predictions = [], []
for number, image in enumerate(images):
    for _ in range(0 if number == 4 else rng.randint(1, 5)):
        x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.choice([5, 12, 25, 80, 100])
        polygons = [polygon(x, y, radius, rng.randint(3, 9))]
        if rng.random() < 0.3:
            polygons.append(polygon(x + radius, y, radius / 2, 4))
        mask = pixels(polygons)
        crowd = rng.random() < 0.15
        hole = rng.random() < 0.2
        if hole:
            mask &= ~pixels([polygon(x, y, radius / 2, 5)])
        if mask.sum() < 9:
            continue
        annotations.append({
            "id": 40 + 7 * len(annotations),
            "image_id": image["id"],
            "category_id": rng.choice([2, 5]),
            "segmentation": runs(mask) if crowd or hole else polygons,
            "bbox": [float(value) for value in api.toBbox(api.encode(np.asfortranarray(mask.astype(np.uint8))))],
            "area": float(mask.sum()),
            "iscrowd": int(crowd),
        })
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            predicted = moved(mask, rng.choice([0, 1, 3, 6]))
            predictions.append({
                "image_id": image["id"],
                "category_id": annotations[-1]["category_id"] if rng.random() < 0.85 else rng.choice(list(CATEGORIES)),
                "mask": predicted,
                "score": round(rng.random(), rng.choice([1, 16])),
            })
predictions.append({**predictions[0], "mask": np.zeros((HEIGHT, WIDTH), bool)})
rng.shuffle(annotations)
rng.shuffle(predictions)


def results(spell):
    return [
        {"image_id": p["image_id"], "category_id": p["category_id"], "segmentation": spell(number, p["mask"]), "score": p["score"]}
        for number, p in enumerate(predictions)
    ]


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (HERE / f"coco_segm_{name}.json").write_text(text.replace("},{", "},\n{") + "\n")


write("annotations", {
    "images": images,
    "annotations": annotations,
    "categories": [{"id": id, "name": name} for id, name in reversed(CATEGORIES.items())],
})
write("predictions", results(lambda number, mask: runs(mask) if number % 3 == 0 else string(mask)))


def evaluate(results):
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO(HERE / "coco_segm_annotations.json")
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


evaluation = evaluate(results(lambda _, mask: string(mask)))

# Boxes beside masks, which give the areas, and boxes in place of masks.
beside = results(lambda _, mask: string(mask))
for number, result in enumerate(beside):
    result["bbox"] = [0.0, 0.0, *[[1.0, 40.0, 120.0][number % 3]] * 2]
boxes = results(lambda _, mask: None)
for number, result in enumerate(boxes):
    del result["segmentation"]
    result["bbox"] = [number % 7 * 10.5, number % 7 * 10.5, 30.25, 20.0]

assert (evaluation.stats[:6] > 0.05).all() and (evaluation.stats < 0.95).all(), evaluation.stats
assert sum(a["iscrowd"] for a in annotations) >= 2


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if values.size else None


per_class = {id: mean(evaluation.eval["precision"][:, :, k, 0, 2]) for k, id in enumerate(map(int, evaluation.params.catIds))}
write("expected", {
    "stats": evaluation.stats.tolist(),
    "ap": per_class,
    "stats_with_boxes": evaluate(beside).stats.tolist(),
    "stats_of_boxes": evaluate(boxes).stats.tolist(),
})
