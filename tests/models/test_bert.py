"""The arguments of BERT and of every Transformer, on golden weights where numbers are compared."""

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import BERT, CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from support import goldens
from support.harness import dtype_policy
from support.layer_checks import static_shape

FOLDER = goldens.ROOT / "google_bert"
CONFIG = str(FOLDER / "bert_config.json")
CHECKPOINT = str(FOLDER / "bert_model.ckpt")
GELU = {"hidden_act": "gelu_tanh"}
NO_DROPOUT = {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


def build(checkpoint=CHECKPOINT, **kwargs):
    return build_transformer_model(CONFIG, checkpoint, return_keras_model=False, **dict(GELU, **kwargs))


@pytest.fixture(scope="module")
def plain():
    return build()


@pytest.fixture(scope="module")
def data():
    z = goldens.arrays(goldens.first_case("google_bert"))
    return [z["input_ids"], z["segment_ids"]], z["input_mask"].astype(bool)


def close(got, want, tolerance=2e-5):
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * max(1.0, np.abs(want).max())


def outputs(transformer, inputs):
    return goldens.predict(transformer.model, inputs)[0]


# ---------------------------------------------------------------------------------------------------- vocabulary


def test_keep_tokens(data):
    (ids, segments), mask = data
    full = build(with_mlm="linear")
    keep = sorted(set(ids.reshape(-1).tolist()), reverse=True)
    keep.remove(0)
    keep = [0] + keep
    kept = build(with_mlm="linear", keep_tokens=keep)
    new_ids = np.vectorize(keep.index)(ids)
    close(outputs(kept, [new_ids, segments])[mask], outputs(full, [ids, segments])[mask][:, keep], 1e-4)


def test_another_padding_id(data):
    """The rows 0 and 3 of the vocabulary exchanged; keep_tokens moves the padding to where its row goes."""
    (ids, segments), mask = data
    full = build()
    assert full.pad_token_id == full.full_pad_token_id == 0
    exchanged = np.arange(full.vocab_size)
    exchanged[[0, 3]] = 3, 0
    variables = dict(open_checkpoint(CHECKPOINT).items())
    variables["bert/embeddings/word_embeddings"] = variables["bert/embeddings/word_embeddings"][exchanged]
    ids = exchanged[ids]
    for keep in (None, sorted(set(ids.reshape(-1).tolist()), reverse=True)):
        other = build(variables, pad_token_id=3, keep_tokens=keep)
        assert other.full_pad_token_id == 3
        assert other.pad_token_id == (3 if keep is None else keep.index(3))
        new_ids = ids if keep is None else np.vectorize(keep.index)(ids)
        close(outputs(other, [new_ids, segments])[mask], outputs(full, [exchanged[ids], segments])[mask], 1e-4)


def test_keep_tokens_without_the_padding():
    assert build(keep_tokens=[5, 0, 7]).pad_token_id == 0  # as bert4keras has it
    assert build(keep_tokens=[5, 0, 7], pad_token_id=3).pad_token_id == -1  # none is kept that was padding
    assert build(pad_token_id=None).pad_token_id == 0


def test_compound_tokens_follow_keep_tokens():
    table = open_checkpoint(CHECKPOINT)["bert/embeddings/word_embeddings"]
    transformer = build(keep_tokens=[0, 7, 9, 30], compound_tokens=[[1, 2], ([1, 3], [1, 3])])
    got = transformer.layers["Embedding-Token"].get_weights()[0]
    close(
        got,
        np.stack([table[0], table[7], table[9], table[30], (table[7] + table[9]) / 2, (table[7] + 3 * table[30]) / 4]),
        1e-6,
    )
    with pytest.raises(ConfigError, match=r"keep_tokens\[1\] is 120, .* from 0 to 119: the vocabulary has 120"):
        build(keep_tokens=[0, 120])
    short = dict(open_checkpoint(CHECKPOINT).items(), **{"bert/embeddings/word_embeddings": table[:50]})
    with pytest.raises(ConfigError, match=r"keep_tokens\[1\] is 50, .* from 0 to 49: the checkpoint has 50"):
        build(short, keep_tokens=[0, 50])


def test_ids_without_a_row_leave_other_rows_alone(plain, data):
    """One sequence with a wrong id: refused where it is seen, else NaN there, and the others as without it."""
    (ids, segments), _ = data
    want = outputs(plain, [ids, segments])
    for i, wrong in ((0, -1), (0, 120), (0, 0.5), (1, 2), (1, -1)):
        inputs = [ids.astype("float32"), segments.astype("float32")]
        inputs[i][1, 2] = wrong
        if row.backend in ("torch", "numpy"):
            layer = ("Embedding-Token", "Embedding-Segment")[i]
            with pytest.raises(ValueError, match=rf"{layer}: id {wrong} at \[1, 2\], expected whole numbers"):
                plain.model.predict_on_batch(inputs)
        else:
            got = plain.model.predict_on_batch(inputs)
            assert np.isnan(got[1]).all()
            np.testing.assert_allclose(np.delete(got, 1, 0), np.delete(want, 1, 0), atol=1e-5)


# ------------------------------------------------------------------------------------------------------ positions


def test_custom_positions(plain, data):
    (ids, segments), mask = data
    transformer = build(custom_position_ids=True)
    positions = np.tile(np.arange(ids.shape[1]), (len(ids), 1))
    assert len(transformer.model.inputs) == 3
    assert {"Input-Token", "Input-Segment", "Input-Position"} <= {layer.name for layer in transformer.model.layers}
    close(outputs(transformer, [ids, segments, positions])[mask], outputs(plain, data[0])[mask])
    assert np.abs(outputs(transformer, [ids, segments, positions[:, ::-1]]) - outputs(plain, data[0])).max() > 0.1


def test_hierarchical_positions_go_past_the_table(plain, data):
    """Within the table they are those of the table."""
    mask = data[1]
    transformer = build(hierarchical_position=True)
    close(outputs(transformer, data[0])[mask], outputs(plain, data[0])[mask])
    ids = np.ones((1, 100), "int32")
    assert np.isfinite(outputs(transformer, [ids, 0 * ids])).all()


def test_a_sequence_longer_than_the_table():
    """With a model of its own: Keras on JAX loses the variables of one whose `predict` fails."""
    ids = np.ones((1, 65), "int32")
    with pytest.raises(Exception, match="longer than its 64 positions"):
        outputs(build(num_hidden_layers=1), [ids, 0 * ids])


def test_fixed_length_and_no_segments():
    transformer = build_transformer_model(
        CONFIG, return_keras_model=False, sequence_length=9, segment_vocab_size=0, num_hidden_layers=1
    )
    assert len(transformer.inputs) == 1
    assert tuple(transformer.model.output_shape) == (None, 9, 32)


def test_shared_segment_embeddings(data):
    (ids, segments), mask = data
    transformer = build(shared_segment_embeddings=True, ignore_invalid_weights=True)
    assert "Embedding-Segment" not in transformer.layers
    assert outputs(transformer, [ids, segments + 5]).shape == ids.shape + (32,)


# ------------------------------------------------------------------------------------------------ normalisation


def test_layer_norm_eps(plain, data):
    mask = data[1]
    assert np.abs(outputs(build(layer_norm_eps=0.1), data[0])[mask] - outputs(plain, data[0])[mask]).max() > 1e-2


def test_conditional_layer_norm(plain, data):
    """Its new weights start at zero, so that at first the condition changes nothing."""
    condition = keras.layers.Input(shape=(3,), name="condition")
    transformer = build(
        layer_norm_cond=condition,
        layer_norm_cond_hidden_size=5,
        layer_norm_cond_hidden_act="relu",
        additional_input_layers=condition,
    )
    assert len(transformer.model.inputs) == 3
    values = np.random.RandomState(0).rand(len(data[0][0]), 3).astype("float32")
    close(outputs(transformer, data[0] + [values])[data[1]], outputs(plain, data[0])[data[1]])
    norm = transformer.layers["Transformer-2-FeedForward-Norm"]
    assert [tuple(w.shape) for w in norm.weights] == [(32,), (32,), (3, 5), (5, 32), (5, 32)]
    assert {layer for layer, _ in transformer.load_report.initialized} == {
        name for name in transformer.layers if name.endswith("-Norm")
    }
    weights = norm.get_weights()
    norm.set_weights(weights[:2] + [w + 0.5 for w in weights[2:]])
    assert np.abs(outputs(transformer, data[0] + [values]) - outputs(transformer, data[0] + [0 * values])).max() > 1e-2


# ---------------------------------------------------------------------------------------------------- attention


def test_residual_attention_scores(plain, data):
    transformer = build(residual_attention_scores=True, application="lm", with_mlm="linear")
    mlm = build(application="lm", with_mlm="linear")
    ids = data[0]
    got, want = outputs(transformer, ids), outputs(mlm, ids)
    assert np.isfinite(got).all() and np.abs(got - want).max() > 1e-2
    assert "Transformer-1-MultiHeadSelfAttention-Attention-Bias" in [layer.name for layer in transformer.model.layers]
    for extra in goldens.PADDING:
        moved = outputs(transformer, goldens.padded(ids, extra))[:, : ids[0].shape[1]]
        close(moved[data[1]], got[data[1]], 1e-5)


def test_attention_caches_are_put_before_keys_and_values(data):
    """One block: with a cache of the input itself every key is seen twice, which changes no weighted mean."""
    cache = keras.layers.Input(shape=(None, 32), name="cache")
    name = "Transformer-0-MultiHeadSelfAttention"
    single = dict(num_hidden_layers=1, **NO_DROPOUT)
    plain = build(**single)
    cached = build(attention_caches={name: [cache, cache]}, additional_input_layers=cache, **single)
    ids = [np.array([[5, 6, 7, 8]]), np.zeros((1, 4))]
    embeddings = keras.models.Model(plain.model.inputs, plain.layers["Embedding-Norm"].output)
    values = goldens.predict(embeddings, ids)[0].astype("float32")
    close(outputs(cached, ids + [values]), outputs(plain, ids))


# ------------------------------------------------------------------------------------------------ names, sharing


def test_prefix_name_and_shared_layers(plain, data):
    prefixed = build(prefix="Left-", name="left")
    assert prefixed.model.name == "left"
    assert {"Left-Embedding-Token", "Left-Transformer-2-FeedForward-Norm"} <= set(prefixed.layers)
    close(outputs(prefixed, data[0]), outputs(plain, data[0]))
    shared = build_transformer_model(
        CONFIG, return_keras_model=False, layers={k: v for k, v in plain.layers.items() if "Input" not in k}, **GELU
    )
    assert shared.layers["Embedding-Token"] is plain.layers["Embedding-Token"]
    close(outputs(shared, data[0]), outputs(plain, data[0]))


def test_inputs_are_float32_and_layers_have_their_names(plain):
    assert [str(getattr(x.dtype, "name", x.dtype)) for x in plain.model.inputs] == ["float32", "float32"]
    names = [layer.name for layer in plain.model.layers]
    for name in (
        "Embedding-Token",
        "Embedding-Segment",
        "Embedding-Token-Segment",
        "Embedding-Position",
        "Embedding-Norm",
        "Embedding-Dropout",
        "Transformer-0-MultiHeadSelfAttention",
        "Transformer-0-MultiHeadSelfAttention-Dropout",
        "Transformer-0-MultiHeadSelfAttention-Add",
        "Transformer-0-MultiHeadSelfAttention-Norm",
        "Transformer-0-FeedForward",
        "Transformer-0-FeedForward-Dropout",
        "Transformer-0-FeedForward-Add",
        "Transformer-0-FeedForward-Norm",
    ):
        assert name in names
    assert not any("Dropout" in layer.name for layer in build(num_hidden_layers=1, **NO_DROPOUT).model.layers)


def test_a_subclass_of_the_user(data):
    """The subclassing interface of bert4keras: another head, another mapping."""

    class Regressor(BERT):
        def apply_final_layers(self, inputs):
            x = super().apply_final_layers(inputs)
            return self.apply(x, keras.layers.Dense, units=1, name="Score")

        def load_variable(self, checkpoint, name):
            value = super().load_variable(checkpoint, name)
            return None if name.endswith("token_type_embeddings") else value

    transformer = build(model=Regressor)
    assert outputs(transformer, data[0]).shape == data[0][0].shape + (1,)
    segment = transformer.layers["Embedding-Segment"].get_weights()[0]
    assert np.abs(segment).max() > 0  # left as it was drawn
    stored = open_checkpoint(CHECKPOINT)["bert/embeddings/token_type_embeddings"]
    assert np.abs(segment - stored).max() > 0.01


# --------------------------------------------------------------------------------------------------------- heads


def test_outputs_of_several_heads():
    both = build(with_pool=True, with_mlm=True, num_hidden_layers=1)
    assert [static_shape(x)[1:] for x in both.outputs] == [(32,), (None, 120)]
    nsp = build(with_nsp=True, num_hidden_layers=1)
    assert [layer.name for layer in nsp.model.layers][-3:] == ["Pooler", "Pooler-Dense", "NSP-Proba"]


def test_unilm_needs_segments():
    with pytest.raises(ConfigError, match="segment_vocab_size=0 must be 2 or more"):
        build_transformer_model(CONFIG, application="unilm", segment_vocab_size=0)


def test_a_single_output_is_a_tensor_and_several_are_a_list():
    """Scripts go on from `model.output`; on every row it is no list of one."""
    single = build(num_hidden_layers=1).model
    assert static_shape(single.output)[1:] == (None, 32)
    assert isinstance(build(num_hidden_layers=1, with_pool=True, with_mlm=True).model.output, (list, tuple))
    no_segments = build_transformer_model(CONFIG, segment_vocab_size=0, num_hidden_layers=1)
    assert static_shape(no_segments.input) == (None, None)


# ------------------------------------------------------------------------------------------------------ policies


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
def test_dtype_policies(policy, plain, data):
    """A checkpoint loads under every policy, and ids stay exact."""
    wanted = outputs(plain, data[0])
    with dtype_policy(policy) as there:
        if not there:
            assert not row.is_keras3
            return
        transformer = build()
    got = outputs(transformer, data[0])
    error = np.abs(got - wanted)[data[1]].max()
    assert error < (0.3 if "bfloat16" in policy else 0.05), error
    assert [str(getattr(x.dtype, "name", x.dtype)) for x in transformer.model.inputs] == ["float32", "float32"]


def test_wrong_checkpoint_changes_nothing(plain, data):
    before = outputs(plain, data[0])
    with pytest.raises(CheckpointError, match="position_embeddings is .64, 32. in the file") as e:
        build(max_position=32)
    assert "Embedding-Position" in str(e.value) and "no weight was changed" in str(e.value)
    other = {name: value for name, value in open_checkpoint(CHECKPOINT).items()}
    other["bert/encoder/layer_2/output/dense/kernel"] = np.zeros((3, 3), "float32")
    with pytest.raises(CheckpointError, match="layer_2/output/dense/kernel"):
        plain.load_weights_from_checkpoint(other)
    close(outputs(plain, data[0]), before, 0)
