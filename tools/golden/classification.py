"""Makes eval/tests/golden/classification.json: class scores with and without ties, and their results by numpy's stable sort, torch's
cross entropy, the calibration error of Guo et al. 2017 and timm's ReaL evaluator.

    .venv/bin/python tools/golden/classification.py
"""

import importlib.metadata
import json
import pathlib
import tempfile

import numpy as np
import torch
from timm.data.real_labels import RealLabelsImagenet

assert importlib.metadata.version("timm") == "1.0.31"
assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
CLASSES = ["tench, Tinca tinca", "gear", "bolt", 'a "washer"', "never shown", "nut", "Zahnrad für Übersetzung"]
IMAGES = 90
TOP_K = [1, 2, 5]

rng = np.random.default_rng(20171707)
truth = rng.choice([0, 1, 2, 3, 5, 6], IMAGES, p=[0.3, 0.2, 0.2, 0.1, 0.15, 0.05])
files = [f"val/ILSVRC2012_val_{number + 1:08d}.JPEG" for number in range(IMAGES)]
real = [sorted(set(rng.choice(7, rng.integers(0, 4)).tolist())) for _ in range(IMAGES)]


def case(scores, probabilities):
    scores = scores.astype(np.float32)
    # Only the sum of the bins and the rank of the truth can tell the two kinds apart, so both are in fp64 from the same fp32.
    wide = torch.from_numpy(scores.astype(np.float64))
    shares = wide if probabilities else wide.softmax(1)
    order = np.argsort(-scores, axis=1, kind="stable")
    predicted = order[:, 0]
    right = torch.from_numpy(predicted == truth)
    confidence = shares[torch.arange(IMAGES), torch.from_numpy(predicted)]

    # _ECELoss of gpleiss/temperature_scaling, in fp64.
    edges = torch.arange(16, dtype=torch.float64) / 15
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = confidence.gt(low) & confidence.le(high)
        if inside.any():
            error += abs(confidence[inside].mean() - right[inside].double().mean()) * inside.double().mean()

    target = torch.from_numpy(truth)
    likelihood = shares[torch.arange(IMAGES), target].log() if probabilities else torch.log_softmax(wide, 1)[torch.arange(IMAGES), target]
    if not probabilities:
        assert torch.isclose(-likelihood.mean(), torch.nn.functional.cross_entropy(wide, target), rtol=1e-14)

    matrix = np.zeros((7, 7), int)
    np.add.at(matrix, (truth, predicted), 1)
    with np.errstate(invalid="ignore"):
        accuracy = matrix.diagonal() / matrix.sum(1)
        precision = matrix.diagonal() / matrix.sum(0)
    result = {
        "scores": [[float(score) for score in row] for row in scores],
        "top_k": [float(np.mean([truth[i] in order[i, :k] for i in range(IMAGES)])) for k in TOP_K],
        "confusion": matrix.tolist(),
        "mean_class_accuracy": float(np.nanmean(accuracy)),
        "accuracy": [None if np.isnan(value) else float(value) for value in accuracy],
        "precision": [None if np.isnan(value) else float(value) for value in precision],
        "expected_calibration_error": float(error),
        "negative_log_likelihood": float(-likelihood.mean()),
    }
    if all(len(set(row.tolist())) == 7 for row in scores):
        for k, share in zip(TOP_K, result["top_k"]):
            assert share == float((wide.topk(k, 1).indices == target[:, None]).any(1).double().mean())
        with tempfile.NamedTemporaryFile("w", suffix=".json") as labels:
            json.dump(real, labels)
            labels.flush()
            evaluator = RealLabelsImagenet(files, labels.name, topk=(1,))
        evaluator.add_result(wide)
        result["real"] = {"images": len(evaluator.is_correct[1]), "correct": int(np.sum(evaluator.is_correct[1]))}
    return result


signal = np.eye(7)[truth] * rng.uniform(0, 4, (IMAGES, 1))
fine = rng.normal(0, 1.3, (IMAGES, 7)) + signal
# Half steps over a few levels make ties at every rank, the first included.
coarse = np.clip(np.round(2 * fine) / 2, -1, 1.5)
tied = sum(len(set(row.tolist())) < 7 and (row == row.max()).sum() > 1 for row in coarse)
assert tied > 20, tied
softmax = torch.from_numpy(fine).softmax(1).numpy()

golden = {
    "classes": CLASSES,
    "images": files,
    "truth": truth.tolist(),
    "real": real,
    "k": TOP_K,
    "logits": case(fine, False),
    "ties": case(coarse, False),
    "probabilities": case(softmax, True),
}
assert sum(not labels for labels in real) > 5
(HERE / "classification.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).replace("],[", "],\n[") + "\n")
