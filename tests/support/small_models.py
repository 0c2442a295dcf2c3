"""Small models with random weights, and what tests of architectures do with them."""

from __future__ import annotations

import zlib

import numpy as np

from support import goldens

SMALL = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position": 32,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}

# as a file of BERT spells it
CONFIG = {key: value for key, value in SMALL.items() if key != "max_position"}
CONFIG.update(max_position_embeddings=SMALL["max_position"], type_vocab_size=2)


def spread(transformer):
    """Weights large enough for differences to show; the same where layers share a variable."""
    for name, variables in transformer.mapping_of_layers().items():
        layer = transformer.layers[name]
        weights = []
        for variable, w in zip(variables, layer.get_weights()):
            noise = np.random.RandomState(zlib.crc32(variable.encode())).randn(*w.shape)
            weights.append(0.3 * noise + ("gamma" in variable))
        layer.set_weights(weights + layer.get_weights()[len(weights) :])
    return transformer


def saved(transformer, tmp_path, name="model"):
    path = str(tmp_path / name)
    transformer.save_weights_as_checkpoint(path)
    return path


def outputs(transformer, *inputs):
    return goldens.predict(transformer.model, list(inputs))


def close(got, want, tolerance=1e-5):
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * max(1.0, np.abs(want).max())
