"""Makes eval/tests/golden/voc.json: a small random detection problem, and its results by voc_eval.py of py-faster-rcnn by the
rules of 2007 and of 2010, with the development kit's comparison (an overlap of exactly 0.5 is enough).

    .venv/bin/python tools/golden/voc.py
"""

import importlib.metadata
import json
import pathlib

import numpy as np

assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
CLASSES = ["dog", "person", "never labelled", "only difficult"]
IOUS = [0.3, 0.5, 0.75]

rng = np.random.default_rng(2010)


def box():
    low, size = rng.integers(1, 300, 2), rng.integers(5, 120, 2)
    return [int(v) for v in (low[0], low[1], low[0] + size[0], low[1] + size[1])]


images = [f"2007_{number:06}" for number in rng.permutation(24)]
objects, detections = [], []
for image in images:
    for _ in range(rng.integers(0, 7)):
        label = int(rng.choice([0, 1, 3], p=[0.45, 0.45, 0.1]))
        objects.append({"image": image, "class": label, "bbox": box(), "difficult": bool(label == 3 or rng.random() < 0.2)})
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            shift = rng.normal(0, rng.choice([1, 6, 20]), 4)
            detections.append({
                "image": image,
                "class": label if rng.random() < 0.9 else int(rng.integers(0, 4)),
                "bbox": [round(float(v + s), 1) for v, s in zip(objects[-1]["bbox"], shift)],
                # One digit makes ties within an image and between images.
                "score": round(float(rng.random()), int(rng.choice([1, 16]))),
            })
    for _ in range(rng.integers(0, 3)):
        detections.append({"image": image, "class": int(rng.integers(0, 4)), "bbox": box(), "score": round(float(rng.random()), 1)})


def voc_ap(rec, prec, use_07_metric):
    if use_07_metric:
        ap = 0.0
        for t in np.arange(0.0, 1.1, 0.1):
            ap += (0 if np.sum(rec >= t) == 0 else np.max(prec[rec >= t])) / 11.0
        return ap
    mrec, mpre = np.concatenate(([0.0], rec, [1.0])), np.concatenate(([0.0], prec, [0.0]))
    for i in range(mpre.size - 1, 0, -1):
        mpre[i - 1] = np.maximum(mpre[i - 1], mpre[i])
    i = np.where(mrec[1:] != mrec[:-1])[0]
    return np.sum((mrec[i + 1] - mrec[i]) * mpre[i + 1])


def voc_eval(label, ovthresh):
    recs = {image: [o for o in objects if o["image"] == image and o["class"] == label] for image in images}
    npos = sum(not o["difficult"] for found in recs.values() for o in found)
    taken = {image: [False] * len(found) for image, found in recs.items()}
    # In the order of the images, and stable where numpy's own sort is not.
    found = sorted((d for d in detections if d["class"] == label), key=lambda d: (-d["score"], images.index(d["image"])))
    tp, fp = np.zeros(len(found)), np.zeros(len(found))
    for d, detection in enumerate(found):
        bb, ovmax = np.array(detection["bbox"], float), -np.inf
        gt = np.array([o["bbox"] for o in recs[detection["image"]]], float)
        if gt.size > 0:
            iw = np.maximum(np.minimum(gt[:, 2], bb[2]) - np.maximum(gt[:, 0], bb[0]) + 1.0, 0.0)
            ih = np.maximum(np.minimum(gt[:, 3], bb[3]) - np.maximum(gt[:, 1], bb[1]) + 1.0, 0.0)
            inters = iw * ih
            uni = (bb[2] - bb[0] + 1.0) * (bb[3] - bb[1] + 1.0) + (gt[:, 2] - gt[:, 0] + 1.0) * (gt[:, 3] - gt[:, 1] + 1.0) - inters
            overlaps = inters / uni
            ovmax, jmax = np.max(overlaps), np.argmax(overlaps)
        if ovmax >= ovthresh:
            if not recs[detection["image"]][jmax]["difficult"]:
                if not taken[detection["image"]][jmax]:
                    tp[d], taken[detection["image"]][jmax] = 1.0, True
                else:
                    fp[d] = 1.0
        else:
            fp[d] = 1.0
    right, wrong = int(tp.sum()), int(fp.sum())
    if npos == 0:
        return {"objects": 0, "right": right, "wrong": wrong, "ap_2007": None, "ap_2010": None}
    fp, tp = np.cumsum(fp), np.cumsum(tp)
    rec, prec = tp / float(npos), tp / np.maximum(tp + fp, np.finfo(np.float64).eps)
    aps = {f"ap_{year}": float(voc_ap(rec, prec, year == 2007)) for year in (2007, 2010)}
    return {"objects": npos, "right": right, "wrong": wrong, **aps}


def expected(ovthresh):
    per_class = [voc_eval(label, ovthresh) for label in range(len(CLASSES))]
    means = {f"map_{year}": float(np.mean([c[f"ap_{year}"] for c in per_class if c["objects"]])) for year in (2007, 2010)}
    return {"iou": ovthresh, **means, "per_class": per_class}


golden = {"classes": CLASSES, "images": images, "objects": objects, "detections": detections, "expected": [expected(iou) for iou in IOUS]}
assert len({round(case["map_2007"], 6) for case in golden["expected"]}) == 3
(HERE / "voc.json").write_text(json.dumps(golden, separators=(",", ":")).replace("},{", "},\n{") + "\n")
