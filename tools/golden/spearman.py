"""Makes eval/tests/golden/spearman.json: pairs of numbers with and without ties, and their Spearman coefficients by definition, in
numpy: Pearson's correlation (corrcoef) of the ranks, where equal values have the mean of their ranks.

    .venv/bin/python tools/golden/spearman.py
"""

import importlib.metadata
import json
import pathlib

import numpy as np

assert importlib.metadata.version("numpy") == "2.4.6"

HERE = pathlib.Path(__file__).resolve().parents[2] / "eval" / "tests" / "golden"
rng = np.random.default_rng(1904)


def ranks(values):
    """Of each value, the mean of the places that it and its equals take in order, from 1."""
    values = np.asarray(values)
    return np.array([np.sum(values < value) + (np.sum(values == value) + 1) / 2 for value in values])


def case(name, xs, ys):
    xs, ys = [float(x) for x in xs], [float(y) for y in ys]
    return {"name": name, "xs": xs, "ys": ys, "spearman": float(np.corrcoef(ranks(xs), ranks(ys))[0, 1])}


normal = np.round(rng.normal(size=40), 3)
cases = [
    case("two pairs", [1, 2], [5, 3]),
    case("monotonic, not linear", [1, 2, 3, 4, 5], [1, 8, 27, 64, 1000]),
    case("a tie on one side", [1, 2, 2, 3], [4, 1, 3, 2]),
    case("ties on both sides", [0, 0, 1, 1, 2, 2, 2], [3, 1, 1, 2, 2, 2, 0]),
    case("correlated", normal, np.round(normal + rng.normal(size=40), 3)),
    case("many ties", rng.integers(0, 4, 60), rng.integers(0, 3, 60)),
    case("far sizes", 10.0 ** rng.integers(-300, 300, 25), -(10.0 ** rng.integers(-300, 300, 25))),
]
text = json.dumps(cases, separators=(",", ":")).replace('},{"name"', '},\n{"name"')
(HERE / "spearman.json").write_text(text + "\n")
