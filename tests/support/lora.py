"""Transformers with LoRA whose matrices are random, and a slow twin without LoRA that must compute the same."""

from __future__ import annotations

import numpy as np

from b4k3.backend import keras, low_rank_of


def trained(transformer, scale=0.3):
    """Give every matrix of LoRA random values, as if it had been trained."""
    random = np.random.RandomState(0)
    for target in transformer.lora.targets:
        for weight in low_rank_of(target.layer)[1:3]:
            weight.assign(scale * random.randn(*weight.shape))
    return transformer


def summed(transformer):
    """Return what a checkpoint must have: each kernel + scale · a · b, variable by variable, in float64."""
    found = {}
    for name, variables in transformer.mapping_of_layers().items():
        layer = transformer.layers[name]
        added = {}
        for target in transformer.lora.targets:
            base, a, b, scale = low_rank_of(target.layer)
            added[id(base)] = scale * np.matmul(*(np.asarray(numbers(x), dtype="float64") for x in (a, b)))
        plain = [weight for weight in layer.weights if "lora_" not in weight.name]
        for variable, weight in zip(variables, plain):
            value = np.asarray(numbers(weight), dtype="float64") + added.get(id(weight), 0)
            found[variable] = transformer.create_variable(variable, value)
    return {name: value.astype("float32") for name, value in found.items()}


def numbers(weight):
    return keras.ops.convert_to_numpy(weight)
