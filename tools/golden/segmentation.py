"""Makes eval/tests/golden/segmentation.json: small label images, and their results by the formulas of torchvision's
segmentation references, mmsegmentation and DAVIS 2017.

    .venv/bin/python tools/golden/segmentation.py
"""

import importlib.metadata
import json
import pathlib

import numpy as np
import torch

assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
# 3 is in the truth alone, 4 in the prediction alone, 5 in neither.
CLASSES, IGNORE = 6, 255
SIZES = [(23, 40), (31, 31), (1, 19), (17, 1), (40, 24), (36, 52), (8, 9)]
TOLERANCES = [0.008, 0.02, 0.05]
SPELLING = "012345"

rng = np.random.default_rng(2013)


def scene(height, width, labels):
    """Ellipses and half planes one over the other."""
    y, x = np.mgrid[:height, :width]
    image = np.full((height, width), labels[0], np.uint8)
    for label in rng.permutation(np.repeat(labels, 2)):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = rng.uniform(1, height / 2 + 1), rng.uniform(1, width / 2 + 1)
        image[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = label
    return image


images = []
for number, (height, width) in enumerate(SIZES):
    truth = scene(height, width, [0, 1, 2, 3][: 2 + number % 3])
    predicted = np.roll(truth, (1, number % 3), (0, 1))
    predicted[predicted == 3] = 0
    blob = scene(height, width, [0, 1, 4])
    predicted = np.where(rng.random((height, width)) < 0.03, blob, predicted)
    predicted = np.where((blob == 4) & (number % 2 == 0), 4, predicted).astype(np.uint8)
    truth[rng.random((height, width)) < 0.02] = IGNORE
    truth[: height // 6, : width // 5] = IGNORE
    # What was predicted where the truth is ignored must not matter.
    predicted[(truth == IGNORE) & (rng.random((height, width)) < 0.3)] = 5
    images.append((predicted, truth))
# An image that a class fills has no boundary at all.
images.append((np.full((5, 6), 2, np.uint8), np.full((5, 6), 2, np.uint8)))


class ConfusionMatrix:
    """references/segmentation/utils.py of torchvision 0.26, in fp64."""

    def __init__(self, num_classes):
        self.num_classes = num_classes
        self.mat = torch.zeros((num_classes, num_classes), dtype=torch.int64)

    def update(self, a, b):
        k = (a >= 0) & (a < self.num_classes)
        inds = self.num_classes * a[k].to(torch.int64) + b[k]
        self.mat += torch.bincount(inds, minlength=self.num_classes**2).reshape(self.num_classes, self.num_classes)

    def compute(self):
        h = self.mat.double()
        return torch.diag(h).sum() / h.sum(), torch.diag(h) / h.sum(1), torch.diag(h) / (h.sum(1) + h.sum(0) - torch.diag(h))


matrix = ConfusionMatrix(CLASSES)
for predicted, truth in images:
    matrix.update(torch.from_numpy(truth.astype(np.int64)).flatten(), torch.from_numpy(predicted.astype(np.int64)).flatten())
pixel_accuracy, accuracy, iou = (value.numpy() for value in matrix.compute())
counts = matrix.mat.numpy()
in_truth, in_prediction = counts.sum(1), counts.sum(0)
assert (in_truth == 0).tolist() == [False, False, False, False, True, True]
assert (in_prediction == 0).tolist() == [False, False, False, True, False, True]
with np.errstate(invalid="ignore"):
    # IoUMetric.total_area_to_metrics of mmsegmentation 1.2.
    dice = 2 * counts.diagonal() / (in_truth + in_prediction)
frequency = in_truth / in_truth.sum()


def boundary_of(mask):
    """_seg2bmap of davis2017-evaluation."""
    e, s, se = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    e[:, :-1] = mask[:, 1:]
    s[:-1, :] = mask[1:, :]
    se[:-1, :-1] = mask[1:, 1:]
    b = mask ^ e | mask ^ s | mask ^ se
    b[-1, :] = mask[-1, :] ^ e[-1, :]
    b[:, -1] = mask[:, -1] ^ s[:, -1]
    b[-1, -1] = 0
    return b


def dilate(mask, radius):
    """cv2.dilate with skimage's disk."""
    height, width = mask.shape
    wide = np.pad(mask, radius)
    result = np.zeros_like(mask)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                result |= wide[radius + dy : radius + dy + height, radius + dx : radius + dx + width]
    return result


def f_measure(foreground, truth, void, tolerance):
    """f_measure of davis2017-evaluation."""
    radius = int(np.ceil(tolerance * np.linalg.norm(foreground.shape)))
    fg, gt = boundary_of(foreground & ~void), boundary_of(truth & ~void)
    gt_match, fg_match = gt & dilate(fg, radius), fg & dilate(gt, radius)
    n_fg, n_gt = fg.sum(), gt.sum()
    if n_fg == 0 and n_gt > 0:
        precision, recall = 1, 0
    elif n_fg > 0 and n_gt == 0:
        precision, recall = 0, 1
    elif n_fg == 0 and n_gt == 0:
        precision, recall = 1, 1
    else:
        precision, recall = fg_match.sum() / float(n_fg), gt_match.sum() / float(n_gt)
    return 0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def boundaries(tolerance):
    per_class = []
    for label in range(CLASSES):
        values = []
        for predicted, truth in images:
            void = truth == IGNORE
            if (((predicted == label) | (truth == label)) & ~void).any():
                values.append(f_measure(predicted == label, truth == label, void, tolerance))
        per_class.append(float(np.mean(values)) if values else None)
    assert len({value for value in per_class if value is not None}) > 3
    return {"tolerance": tolerance, "per_class": per_class, "f_score": float(np.mean([v for v in per_class if v is not None]))}


def numbers(values):
    return [None if np.isnan(value) else float(value) for value in values]


def spelled(image):
    return ["".join("." if value == IGNORE else SPELLING[value] for value in row) for row in image]


golden = {
    "images": [{"predicted": spelled(predicted), "truth": spelled(truth)} for predicted, truth in images],
    "confusion": counts.tolist(),
    "ignored": int(sum((truth == IGNORE).sum() for _, truth in images)),
    "pixel_accuracy": float(pixel_accuracy),
    "accuracy": numbers(accuracy),
    "iou": numbers(iou),
    "dice": numbers(dice),
    "mean_iou": float(np.nanmean(iou)),
    "mean_accuracy": float(np.nanmean(accuracy)),
    "mean_dice": float(np.nanmean(dice)),
    "frequency_weighted_iou": float((frequency[frequency > 0] * iou[frequency > 0]).sum()),
    "boundaries": [boundaries(tolerance) for tolerance in TOLERANCES],
}
(HERE / "segmentation.json").write_text(json.dumps(golden, separators=(",", ":")).replace("},{", "},\n{") + "\n")
