"""Runs formats/tests/golden/network.tflite by LiteRT, and network.mlpackage as coremltools reads it: two files of one network, which two
foreign readers must find equal. Exit status 1 where they do not.

    UPDATE_GOLDEN=1 cargo nextest run -p formats golden
    .venv/bin/python tools/golden/exported.py
"""

import pathlib
import sys

import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import coreml_program

FOLDER = ROOT / "formats" / "tests" / "golden"
TOLERANCE = 1e-5

images = numpy.random.default_rng(1).standard_normal((1, 3, 32, 32), numpy.float32)
of_package = coreml_program.run(str(FOLDER / "network.mlpackage"), images)["logits"]
worst = 0.0
for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
    interpreter = Interpreter(str(FOLDER / "network.tflite"), experimental_op_resolver_type=kernels)
    found = interpreter.get_signature_runner("serving_default")(images=images.transpose(0, 2, 3, 1))["logits"]
    worst = max(worst, float(numpy.abs(found - of_package).max() / numpy.abs(of_package).max()))
print(f"largest difference {worst:.1e} of the largest number, logits {of_package.ravel()}")
sys.exit(worst > TOLERANCE)
