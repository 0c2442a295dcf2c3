"""Plans of how several devices share the weights of a network. `tests/distributed` runs them on several devices."""

import re

import numpy as np
import pytest

from b4k3 import backend
from b4k3.backend import BackendError, keras, row
from b4k3.models import ConfigError, build_transformer_model, distribution
from b4k3.models.distribution.layouts import Share
from support.small_models import SMALL


def built(**kwargs):
    return build_transformer_model(return_keras_model=False, **dict(SMALL, **kwargs))


def axes(plan, part=""):
    return {share.path: share.axis for share in plan.shares if part in share.path}


def test_bert_is_cut_as_by_megatron():
    plan = distribution.plan_of(built(segment_vocab_size=2, with_mlm=True), 2)
    assert axes(plan, "Transformer-1-MultiHeadSelfAttention/") == {
        f"Transformer-1-MultiHeadSelfAttention/{name}/{kind}": axis
        for name, kernel, bias in (("query", 1, 0), ("key", 1, 0), ("value", 1, 0), ("output", 0, None))
        for kind, axis in (("kernel", kernel), ("bias", bias))
    }
    assert axes(plan, "Transformer-1-FeedForward/") == {
        "Transformer-1-FeedForward/intermediate/kernel": 1,
        "Transformer-1-FeedForward/intermediate/bias": 0,
        "Transformer-1-FeedForward/output/kernel": 0,
        "Transformer-1-FeedForward/output/bias": None,
    }
    assert axes(plan, "Embedding-Token") == {"Embedding-Token/embeddings": 0}
    assert axes(plan, "MLM-Bias") == {"MLM-Bias/beta": 0}
    assert set(axes(plan, "Norm").values()) == {None}


def test_the_bytes_are_those_of_the_shares():
    transformer = built()
    plan = distribution.plan_of(transformer, 2)
    assert plan.total_bytes == sum(4 * np.prod(w.shape) for w in transformer.model.weights)
    whole = sum(share.bytes for share in plan.shares if share.axis is None)
    assert plan.bytes_per_device == whole + (plan.total_bytes - whole) // 2
    assert plan.training_bytes_per_device() == 4 * plan.bytes_per_device  # weights, gradients, two slots
    half = distribution.Plan([Share("x", (4, 6), "bfloat16", 1)], 2)
    assert half.bytes_per_device == 24 and half.training_bytes_per_device(slots=1) == 72
    lines = str(plan).splitlines()
    assert "on each device" in lines[0] and any("Transformer-#-FeedForward/output/kernel" in line for line in lines)


def test_a_vocabulary_that_does_not_divide_is_cut_by_the_size_of_its_rows():
    plan = distribution.plan_of(built(vocab_size=21, with_mlm=True), 2)
    found = {share.path: (share.axis, share.note) for share in plan.shares}
    assert found["Embedding-Token/embeddings"] == (1, "vocab_size=21 does not divide by 2")
    assert found["MLM-Bias/beta"] == (None, "vocab_size=21 does not divide by 2")


def test_sizes_that_do_not_divide():
    with pytest.raises(ConfigError, match=r"num_attention_heads=2 does not divide by 4(.|\n)*uneven='replicate'"):
        distribution.plan_of(built(), 4)
    plan = distribution.plan_of(built(), 4, uneven="replicate")
    assert {s.axis for s in plan.shares if "query" in s.path} == {None}
    assert {s.note for s in plan.shares if "query" in s.path} == {"num_attention_heads=2 does not divide by 4"}
    with pytest.raises(ConfigError, match="uneven='x'"):
        distribution.plan_of(built(), 2, uneven="x")


def test_groups_of_keys_stay_whole():
    llama = dict(num_attention_heads=4, num_key_value_heads=2, model="llama", max_position=None)
    plan = distribution.plan_of(built(**llama), 4, uneven="replicate")
    found = axes(plan, "Transformer-0-MultiHeadSelfAttention/")
    assert {path.split("/")[1]: axis for path, axis in found.items()} == {
        "query": 1,
        "key": None,
        "value": None,
        "output": 0,
    }


def test_a_plan_needs_no_model_and_changes_no_seed():
    keras.utils.set_random_seed(1) if hasattr(keras.utils, "set_random_seed") else None
    state = np.random.get_state()[1].tolist()
    plan = distribution.plan(parts=2, model="bert", **SMALL)
    assert np.random.get_state()[1].tolist() == state
    assert [s[:4] for s in plan.shares] == [s[:4] for s in distribution.plan_of(built(), 2).shares]


def test_layouts_of_ones_own():
    path = "Transformer-0-FeedForward/output/kernel"
    plan = distribution.plan_of(built(), 2, layouts={path: (None, "model")})
    assert axes(plan, path) == {path: 1}


def test_a_large_weight_without_a_description_is_refused():
    transformer = built()
    tensor = transformer.apply(transformer.model.output, keras.layers.Dense, units=40, name="Mine")
    keras.Model(transformer.model.inputs, tensor)
    with pytest.raises(ConfigError, match=r"Mine/kernel.*\[16, 40\]: the description does not have it"):
        distribution.plan_of(transformer, 2)
    path = next(backend.weight_path(w) for w in transformer.layers["Mine"].weights if len(w.shape) == 2)
    assert axes(distribution.plan_of(transformer, 2, layouts={path: (None, None)}), path) == {path: None}


def test_other_backends_are_refused():
    if row.backend == "jax":
        with pytest.raises(ValueError, match="mesh_shape=.*expected two whole numbers"):
            distribution.model_parallel(mesh_shape=(3, 1000), **SMALL)
        return
    for make in (lambda: distribution.model_parallel(**SMALL), distribution.data_parallel):
        with pytest.raises(BackendError, match="needs Keras 3 on JAX"):
            make()


def test_save_wants_a_name_of_keras(tmp_path):
    with pytest.raises(ConfigError, match=re.escape("model.h5: expected a path that ends in .weights.h5 or .keras")):
        distribution.save(built().model, tmp_path / "model.h5")


def test_layout_map():
    if row.backend != "jax":
        return
    transformer = built()
    mesh = keras.distribution.DeviceMesh((1, 1), ["batch", "columns"], keras.distribution.list_devices()[:1])
    layouts = transformer.layout_map(mesh)
    assert layouts["Transformer-0-FeedForward/output/kernel"].axes == ("columns", None)
    assert len(layouts) == len(transformer.model.weights)
