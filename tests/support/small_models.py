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


# name -> what makes it special
KINDS = {
    "bert": {},
    "albert": {"embedding_size": 12},
    "albert_groups": {"model": "albert", "num_hidden_groups": 2, "num_hidden_layers": 3},
    "albert_unshared": {"inner_group_num": 2},
    "nezha": {"max_relative_position": 3},
    "electra": {"embedding_size": 12},
    "electra_generator": {"embedding_size": 12},
    "roformer": {"embedding_size": 12},
    "roformer_v2": {"embedding_size": 12},
    "gau": {"hidden_act": "swish", "attention_key_size": 8},
    "roberta": {"segment_vocab_size": 1, "model_type": "roberta"},  # by its name alone it may be BERT
    "ernie": {"use_task_id": True},
    "distilbert": {},
    "modernbert": {"local_attention": 4, "global_attn_every_n_layers": 2},
    "deberta_v2": {
        "relative_attention": True,
        "pos_att_type": "c2p|p2c",
        "position_buckets": 4,
        "norm_rel_ebd": "layer_norm",
        "conv_kernel_size": 3,
        "segment_vocab_size": 2,
    },
    "megatron_bert": {},
    "mpnet": {},
}


def encoders():
    """{kind: the arguments that build it}, XLNet's and T5's encoder among them."""
    found = {kind: dict(SMALL, **dict({"model": kind}, **special)) for kind, special in KINDS.items()}
    endless = {key: value for key, value in SMALL.items() if key != "max_position"}
    found["xlnet"] = dict(endless, model="xlnet")
    found["t5_encoder"] = dict(endless, model="t5.1.1_encoder", hidden_act=["gelu", "linear"])
    return found


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
