"""Makes eval/tests/golden/coco_{annotations,predictions,expected}.json: a small random detection problem with every special
case of COCO evaluation, and pycocotools' statistics for it.

    .venv/bin/python tools/golden/coco_eval.py
"""

import contextlib
import importlib.metadata
import io
import json
import pathlib
import random

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

assert importlib.metadata.version("pycocotools") == "2.0.11"
assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
# Category 44 has detections and no object; 90 has crowds alone.
CATEGORIES = {1: "gear", 3: "bolt", 17: "washer", 44: "never seen", 90: "heap"}
CROWDED_IMAGE = 500

rng = random.Random(20170901)


def box(scale):
    width, height = rng.uniform(0.3, 1) * scale, rng.uniform(0.3, 1) * scale
    return [round(rng.uniform(0, 640 - width), 2), round(rng.uniform(0, 480 - height), 2), round(width, 2), round(height, 2)]


def shifted(bbox, amount):
    x, y, w, h = bbox
    return [x + rng.gauss(0, amount) * w, y + rng.gauss(0, amount) * h, w * rng.uniform(1 - amount, 1 + amount), h * rng.uniform(1 - amount, 1 + amount)]


images = [{"id": 7 + 29 * number, "width": 640, "height": 480, "file_name": f"{number:03}.jpg"} for number in range(30)]
images[17]["id"] = CROWDED_IMAGE
rng.shuffle(images)

annotations, predictions = [], []
for number, image in enumerate(images):
    crowded = image["id"] == CROWDED_IMAGE
    for _ in range(40 if crowded else 0 if number % 7 == 3 else rng.randint(1, 8)):
        bbox = box(rng.choice([6, 20, 40, 90, 150, 400]))
        crowd = rng.random() < 0.1
        annotations.append({
            "image_id": image["id"],
            "category_id": 90 if crowd and rng.random() < 0.5 else 3 if crowded else rng.choice([1, 3, 17]),
            "bbox": bbox,
            # As with masks, the area is less than the box's.
            "area": round(bbox[2] * bbox[3] * rng.uniform(0.5, 1), 4),
            "iscrowd": int(crowd),
        })
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            right = rng.random() < 0.85
            category = annotations[-1]["category_id"] if right else rng.choice(list(CATEGORIES))
            predictions.append({
                "image_id": image["id"],
                "category_id": category,
                "bbox": shifted(bbox, rng.choice([0.01, 0.05, 0.15])),
                # One digit makes ties in an image and between images; many digits make none.
                "score": round(rng.random(), rng.choice([1, 1, 16])),
            })
    for _ in range(130 if crowded else rng.choice([0, 0, 1, 3])):
        predictions.append({
            "image_id": image["id"],
            "category_id": 3 if crowded else rng.choice(list(CATEGORIES)),
            "bbox": box(rng.choice([3, 60, 300])),
            "score": round(rng.random(), 2),
        })
predictions.append({**predictions[0], "bbox": [*predictions[0]["bbox"][:2], 0, 0]})
rng.shuffle(annotations)
rng.shuffle(predictions)
for number, annotation in enumerate(annotations):
    annotation["id"] = 100 + 3 * number

truth = {
    "images": images,
    "annotations": annotations,
    "categories": [{"id": id, "name": name} for id, name in reversed(CATEGORIES.items())],
}


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (HERE / f"coco_{name}.json").write_text(text.replace("},{", "},\n{") + "\n")


write("annotations", truth)
write("predictions", predictions)

lines = io.StringIO()
with contextlib.redirect_stdout(io.StringIO()):
    ground_truth = COCO(HERE / "coco_annotations.json")
    evaluation = COCOeval(ground_truth, ground_truth.loadRes(str(HERE / "coco_predictions.json")), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
with contextlib.redirect_stdout(lines):
    evaluation.summarize()


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if values.size else None


assert evaluation.stats[6] < evaluation.stats[7] < evaluation.stats[8], "each limit of detections must bite"
assert sum(p["image_id"] == CROWDED_IMAGE and p["category_id"] == 3 for p in predictions) > 150

# evalImgs stands by category, then area (all, small, medium, large), then image.
cell_areas = evaluation.params.areaRng


def best_threshold(cells):
    """The score at or above which detections have the best F1 at IoU .50, by trying each; the highest of equal ones."""
    assert all(cell["aRng"] == cell_areas[0] for cell in cells)
    objects = sum(int(np.sum(np.logical_not(cell["gtIgnore"]))) for cell in cells)
    found = [
        (score, match > 0)
        for cell in cells
        for score, match, ignored in zip(cell["dtScores"], cell["dtMatches"][0], cell["dtIgnore"][0])
        if not ignored
    ]
    best = None
    for threshold in sorted({score for score, _ in found}, reverse=True):
        kept = [right for score, right in found if score >= threshold]
        f1 = 2 * sum(kept) / (len(kept) + objects)
        if objects and (best is None or f1 > best["f1"]):
            best = {"threshold": threshold, "f1": f1, "precision": sum(kept) / len(kept), "recall": sum(kept) / objects}
    return best


def confusion(confidence, iou_threshold):
    """ConfusionMatrix.process_batch of ultralytics 8.2, rows the truth; the last class is background."""
    order = [category["id"] for category in truth["categories"]]
    background = len(order)
    matrix = np.zeros((background + 1, background + 1), int)
    for image in images:
        gts = [a for a in annotations if a["image_id"] == image["id"] and not a["iscrowd"]]
        dts = [p for p in predictions if p["image_id"] == image["id"] and p["score"] > confidence]
        gt_classes = [order.index(a["category_id"]) for a in gts]
        dt_classes = [order.index(p["category_id"]) for p in dts]
        pairs = []
        for i, gt in enumerate(gts):
            for j, dt in enumerate(dts):
                (ax, ay, aw, ah), (bx, by, bw, bh) = gt["bbox"], dt["bbox"]
                inter = max(min(ax + aw, bx + bw) - max(ax, bx), 0) * max(min(ay + ah, by + bh) - max(ay, by), 0)
                value = inter / (aw * ah + bw * bh - inter)
                if value > iou_threshold:
                    pairs.append((i, j, value))
        matches = np.array(pairs).reshape(-1, 3)
        if len(matches) > 1:
            assert len(set(matches[:, 2])) == len(matches), "equal overlaps would be ranked at will"
            matches = matches[matches[:, 2].argsort()[::-1]]
            matches = matches[np.unique(matches[:, 1], return_index=True)[1]]
            matches = matches[matches[:, 2].argsort()[::-1]]
            matches = matches[np.unique(matches[:, 0], return_index=True)[1]]
        m0, m1 = matches[:, 0].astype(int), matches[:, 1].astype(int)
        for i, gc in enumerate(gt_classes):
            j = m0 == i
            matrix[gc, dt_classes[m1[j][0]] if j.sum() == 1 else background] += 1
        for i, dc in enumerate(dt_classes):
            if not (m1 == i).any():
                matrix[background, dc] += 1
    return matrix.tolist()


# [T, R, K, A, M] and [T, K, A, M]; thresholds 0 and 5 are .50 and .75, area 0 is all, limit 2 is 100.
precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
per_class = {
    id: {
        "objects": sum(a["category_id"] == id and not a["iscrowd"] for a in annotations),
        "ap": mean(precision[:, :, k, 0, 2]),
        "ap50": mean(precision[0, :, k, 0, 2]),
        "ap75": mean(precision[5, :, k, 0, 2]),
        "ar1": mean(recall[:, k, 0, 0]),
        "ar10": mean(recall[:, k, 0, 1]),
        "ar100": mean(recall[:, k, 0, 2]),
        "precision50": precision[0, :, k, 0, 2].tolist() if (precision[0, :, k, 0, 2] > -1).all() else [],
        "best50": best_threshold([e for e in evaluation.evalImgs[k * len(cell_areas) * len(images) :][: len(images)] if e]),
    }
    for k, id in enumerate(map(int, evaluation.params.catIds))
}
write("expected", {"stats": evaluation.stats.tolist(), "per_class": per_class, "lines": lines.getvalue().splitlines(), "confusion": confusion(0.25, 0.45)})
