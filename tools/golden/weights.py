"""Weights that depend on their keys alone, so that golden files need not hold them: the tests of `backbone` have the same functions."""

import numpy
import torch


def uniform(key, shape):
    """Values between -1 and 1 that depend on the key and the index alone: FNV-1a, then SplitMix64, upper 24 bits."""
    seed = 0xCBF29CE484222325
    for byte in key.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    count = int(numpy.prod(shape, dtype=numpy.int64))
    z = numpy.uint64(seed) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z = z ^ (z >> numpy.uint64(31))
    values = (z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1.0
    return torch.from_numpy(values.reshape(shape))


def fill(model):
    """Weights at He's scale, statistics and scales away from their defaults."""
    for key, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        random = uniform(key, tuple(value.shape))
        if key.endswith("running_var"):
            random = 1.0 + 0.5 * random
        elif key.endswith("running_mean") or key.endswith("bias"):
            random = 0.25 * random
        elif value.dim() == 1:
            random = 0.4 + 0.2 * random
        else:
            random = (6.0 / value[0].numel()) ** 0.5 * random
        value.copy_(random)
