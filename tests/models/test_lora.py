"""LoRA on Keras 3: it starts as the model was, trains alone, and every way out of the model has its products added."""

import inspect

import numpy as np
import pytest

from b4k3.backend import base_weights, enable_lora, keras, low_rank_of, recomputing
from b4k3.layers import FeedForward
from b4k3.models import BERT, CheckpointError, ConfigError, Predictor, build_transformer_model
from support import goldens
from support.harness import whole_model_suffix
from support.lora import summed, trained
from support.small_models import SMALL, close, outputs, spread

IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
# name -> (arguments, targets, how many layers they are)
KINDS = {
    "bert": ({"with_mlm": True, "with_pool": True}, ("query", "value", "Embedding-Token", "Pooler-Dense"), 6),
    "albert": ({"embedding_size": 12}, ("query", "FeedForward/output", "Embedding-Mapping"), 3),
    "gau": ({"hidden_act": "swish", "attention_key_size": 8}, ("i_dense", "o_dense"), 4),
    "gpt2": ({"final_activation": "linear"}, ("query", "key", "output", "Embedding-Token"), 9),
    "t5.1.1": (
        {"hidden_act": ["gelu", "linear"], "with_lm": "linear"},
        ("MultiHeadCrossAttention/query", "intermediate_1", "Decoder-Output-LM", "Embedding-Token"),
        8,
    ),
    "t5.1.0": ({"hidden_act": "relu", "tie_word_embeddings": True}, ("query", "Embedding-Token"), 7),
}


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(kind="bert", **kwargs):
    config = dict(SMALL, model=kind, return_keras_model=False, **KINDS[kind][0])
    config.update(kwargs)
    if kind.startswith("t5"):
        config.pop("max_position")
    return spread(build_transformer_model(**config))


def inputs_of(transformer, ids=IDS):
    second = ids[:, ::-1] if "Decoder-Input-Token" in transformer.layers else ids * 0
    return [ids] if len(transformer.inputs) == 1 else [ids, second]


def same(got, want, tolerance=1e-5):
    for a, b in zip(got, want):
        close(a, b, tolerance)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_starts_as_the_model_was_and_computes_the_sums(kind):
    targets, count = KINDS[kind][1:]
    transformer = build(kind)
    inputs = inputs_of(transformer)
    before = outputs(transformer, *inputs)
    share = transformer.enable_lora(3, targets, alpha=5 if takes_alpha() else None, verbose=False)
    assert len(transformer.lora.targets) == count
    same(outputs(transformer, *inputs), before)
    assert share.trainable == sum(np.prod(w.shape) for w in transformer.model.trainable_weights)
    assert all("lora_" in w.name for w in transformer.model.trainable_weights)
    trained(transformer)
    got = outputs(transformer, *inputs)
    assert np.abs(got[0] - before[0]).max() > 1e-3
    twin, stored, want = build(kind), transformer.checkpoint_variables(), summed(transformer)
    assert sorted(stored) == sorted(want)
    for name, value in want.items():
        close(stored[name], value, 1e-6)
    twin.load_weights_from_checkpoint(want)
    same(got, outputs(twin, *inputs))
    transformer.merge_lora()
    same(outputs(transformer, *inputs), got)
    assert len(transformer.model.trainable_weights) == len(build(kind).model.trainable_weights)


def takes_alpha():
    """Keras 3.5 has no alpha for its own Dense layers, which stand alone in the model."""
    return "lora_alpha" in inspect.signature(keras.layers.Dense.enable_lora).parameters


def test_an_alpha_that_keras_does_not_have_is_refused():
    bert = build()
    if takes_alpha():
        bert.enable_lora(2, ("query", "Pooler-Dense"), alpha=4, verbose=False)
    else:
        with pytest.raises(ValueError, match="no lora_alpha for this layer, so alpha must be the rank, 2"):
            bert.enable_lora(2, ("query", "Pooler-Dense"), alpha=4)
        assert bert.lora is None and len(bert.model.trainable_weights) == len(bert.model.weights)
        bert.enable_lora(2, "query", alpha=4, verbose=False)
    assert low_rank_of(bert.lora.targets[0].layer).scale == 2


def test_every_name_of_a_target():
    bert = build()
    names = [
        "query key value output intermediate".split(),
        ["MultiHeadSelfAttention/output", "FeedForward/output"],
        ["Transformer-1-FeedForward/output"],
    ]
    counts = []
    for targets in names:
        bert.enable_lora(2, targets, verbose=False)
        counts.append(len(bert.lora.targets))
        bert.remove_lora()
    assert counts == [12, 4, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rank": 0}, "rank=0"),
        ({"rank": True}, "rank=True"),
        ({"rank": 2, "alpha": -1}, "alpha=-1"),
        ({"rank": 2, "targets": ()}, "targets is empty"),
        ({"rank": 2, "targets": "q_proj"}, "no layer 'q_proj'.*It has .*MultiHeadSelfAttention/query"),
        ({"rank": 2, "targets": "querry"}, "did you mean 'query'"),
        ({"rank": 2, "targets": "Embedding-Position"}, "no layer 'Embedding-Position'"),
    ],
)
def test_what_is_refused(arguments, said):
    bert = build()
    with pytest.raises(ConfigError, match=said):
        bert.enable_lora(**arguments)
    assert bert.lora is None
    assert len(bert.model.trainable_weights) == len(bert.model.weights)


def test_twice_and_without_are_refused():
    bert = build()
    for method in (bert.merge_lora, bert.remove_lora):
        with pytest.raises(ConfigError, match="has no LoRA"):
            method()
    bert.enable_lora(2, verbose=False)
    with pytest.raises(ConfigError, match="has LoRA already: call merge_lora"):
        bert.enable_lora(2)


def test_remove_gives_the_old_model_back(capsys):
    bert = build()
    before = outputs(bert, *inputs_of(bert))
    bert.enable_lora(2, use_rslora=True, alpha=1, targets="query")
    assert "LoRA of rank 2 in 2 layers: trainable 128 of " in capsys.readouterr().out
    assert abs(low_rank_of(bert.lora.targets[0].layer).scale - 2**-0.5) < 1e-12
    trained(bert).remove_lora()
    same(outputs(bert, *inputs_of(bert)), before, 0)


def test_files_have_the_sums(tmp_path):
    bert = build()
    bert.enable_lora(2, KINDS["bert"][1], verbose=False)
    want = outputs(trained(bert), *inputs_of(bert))
    for name, arguments in (("bert.ckpt", {}), ("m.safetensors", {"format": "safetensors", "dialect": "huggingface"})):
        path = str(tmp_path / name)
        bert.save_weights_as_checkpoint(path, **arguments)
        other = build()
        other.load_weights_from_checkpoint(path)
        same(outputs(other, *inputs_of(other)), want)
    path = str(tmp_path / "m.weights.h5")
    bert.model.save_weights(path)
    other = build()
    other.model.load_weights(path)
    same(outputs(other, *inputs_of(other)), want)
    if not keras.__version__.startswith("3.5."):  # which cannot load a tied model
        path = str(tmp_path / ("whole" + whole_model_suffix()))
        bert.model.save(path)
        same(goldens.predict(keras.models.load_model(path), inputs_of(bert)), want)
    same(outputs(bert, *inputs_of(bert)), want, 0)


def test_a_checkpoint_that_is_loaded_restarts_lora(tmp_path):
    bert, source = build(), build()
    source.layers["Embedding-Norm"].set_weights([w + 0.1 for w in source.layers["Embedding-Norm"].get_weights()])
    bert.enable_lora(2, KINDS["bert"][1], verbose=False)
    trained(bert)
    report = bert.load_weights_from_checkpoint(source.checkpoint_variables())
    assert "LoRA has its start values again in 6 layers" in report.notes
    same(outputs(bert, *inputs_of(bert)), outputs(source, *inputs_of(source)))
    path = str(tmp_path / "m.weights.h5")
    trained(bert).model.save_weights(path)
    want = outputs(bert, *inputs_of(bert))
    bert.model.load_weights(path)
    same(outputs(bert, *inputs_of(bert)), want)
    for target in bert.lora.targets:  # one matrix is zero, and the other is not: else nothing would be learned
        a, b = (np.abs(keras.ops.convert_to_numpy(w)).max() for w in low_rank_of(target.layer)[1:3])
        assert (a == 0) != (b == 0) or target.layer.name == "Pooler-Dense"  # Keras sets both to zero in its own Dense


def test_blocks_that_share_variables_and_differ_are_refused():
    albert = spread(build_transformer_model(SMALL, model="albert_unshared", return_keras_model=False))
    albert.enable_lora(2, "MultiHeadSelfAttention/output", verbose=False)
    assert len(trained(albert).lora.targets) == 2
    low_rank_of(albert.lora.targets[0].layer).b.assign(np.ones((2, 16)))
    with pytest.raises(CheckpointError, match="differs from another layer"):
        albert.checkpoint_variables()


def test_training_changes_lora_alone():
    bert = build(with_mlm=False, with_pool=False)
    bert.enable_lora(2, ("query", "Embedding-Token"), verbose=False)
    x = keras.layers.GlobalAveragePooling1D()(bert.output)
    model = keras.Model(bert.inputs, keras.layers.Dense(1, name="head")(x))
    before = [keras.ops.convert_to_numpy(w) for w in model.weights]
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(inputs_of(bert), np.array([[1.0], [-1.0]]), epochs=2, verbose=0)
    changed = {w.path for w, old in zip(model.weights, before) if np.any(keras.ops.convert_to_numpy(w) != old)}
    assert changed == {w.path for w in model.weights if "lora_" in w.name or w.path.startswith("head")}


@pytest.mark.parametrize("kind", ["gpt2", "t5.1.1"])
def test_generation_has_lora(kind):
    transformer, targets = build(kind), KINDS[kind][1]
    prompt = dict(ids=IDS[:, :5], max_new_tokens=4, return_scores=True)
    transformer.generate(**prompt)  # compiled before LoRA, which must not be used afterwards
    transformer.enable_lora(2, targets, verbose=False)
    trained(transformer)
    tokens, scores = transformer.generate(**prompt)
    twin = build(kind)
    twin.load_weights_from_checkpoint(summed(transformer))
    want, their = twin.generate(**prompt)
    assert tokens.tolist() == want.tolist()
    close(np.asarray(scores), np.asarray(their), 1e-4)


def test_what_was_compiled_before_is_compiled_again():
    bert = build()
    predictor, inputs = Predictor(bert.model), inputs_of(bert)
    predictor(inputs)
    bert.model.predict(inputs, verbose=0)
    bert.enable_lora(2, verbose=False)
    trained(bert)
    twin = build()
    twin.load_weights_from_checkpoint(summed(bert))
    want = outputs(twin, *inputs)
    same(predictor(inputs), want)
    same(bert.model.predict(inputs, verbose=0), want)
    bert.remove_lora()
    want = outputs(build(), *inputs)
    same(predictor(inputs), want)
    same(bert.model.predict(inputs, verbose=0), want)


def test_mixed_precision_and_padding():
    bert = build(with_mlm=False, with_pool=False)
    bert.enable_lora(2, ("query", "output", "Embedding-Token"), verbose=False)
    want = outputs(trained(bert), *inputs_of(bert))[0]
    longer = np.pad(IDS, ((0, 0), (0, 3)))
    close(outputs(bert, longer, longer * 0)[0][:, :8][IDS > 0], want[IDS > 0], 1e-5)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = build(with_mlm=False, with_pool=False)
        half.enable_lora(2, ("query", "output", "Embedding-Token"), verbose=False)
        got = outputs(trained(half), *inputs_of(half))[0]
        stored = half.checkpoint_variables()
    finally:
        keras.config.set_dtype_policy(policy)
    close(got, want, 0.1)
    for name, value in summed(bert).items():  # the file has the full precision
        close(stored[name], value, 1e-6)


def test_small_changes_of_large_weights_count_in_bfloat16():
    """Keras rounds kernel + product to bfloat16, which has 8 bits: 1000 + 1 would be 1000."""
    from b4k3.backend import Dense

    layer = Dense(1, use_bias=False, dtype="mixed_bfloat16")
    layer.build((None, 2))
    enable_lora(layer, 1)
    low = low_rank_of(layer)
    low.base.assign([[1000.0], [-1000.0]])
    low.a.assign([[1.0], [1.0]])
    low.b.assign([[1.0]])
    assert float(keras.ops.convert_to_numpy(layer(np.ones((1, 2), "float32")))[0, 0]) == 2.0
    assert keras.ops.convert_to_numpy(layer.kernel).tolist() == [[1001.0], [-999.0]]
    assert [w.name for w in base_weights(layer)] == ["kernel"]


def test_a_class_with_its_own_mapping():
    class Mine(BERT):
        def variable_mapping(self):
            mapping = super().variable_mapping()
            return {layer: [name.replace("bert/", "mine/") for name in names] for layer, names in mapping.items()}

    mine = spread(build_transformer_model(SMALL, model=Mine, return_keras_model=False))
    mine.enable_lora(2, ("query", "FeedForward/output"), verbose=False)
    trained(mine)
    stored, want = mine.checkpoint_variables(), summed(mine)
    assert len(mine.lora.targets) == 4 and all(name.split("/")[0] in ("mine", "cls") for name in stored)
    for name in want:
        close(stored[name], want[name], 1e-6)


def test_training_is_the_same_if_blocks_are_recomputed():
    class Recomputed(FeedForward):
        call = recomputing.implementation(FeedForward.call)

    def step(kind):
        keras.utils.set_random_seed(1)
        x = keras.Input((3, 4))
        layer = kind(8, activation="gelu")
        model = keras.Model(x, layer(x))
        random = np.random.RandomState(0)
        model.set_weights([random.randn(*w.shape) for w in model.get_weights()])
        enable_lora(layer.i0_dense, 2)
        for weight in low_rank_of(layer.i0_dense)[1:3]:
            weight.assign(random.randn(*weight.shape))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.train_on_batch(random.randn(2, 3, 4), random.randn(2, 3, 4))
        return [keras.ops.convert_to_numpy(w) for w in low_rank_of(layer.i0_dense)[:3]]

    for got, want in zip(step(Recomputed), step(FeedForward)):
        close(got, want, 1e-6)
