"""Options of the decoders and of T5, on random weights."""

import re

import numpy as np
import pytest

from b4k3.backend import activations, keras
from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.networks.t5 import interpret
from support import goldens
from support.small_models import SMALL, close, outputs, saved, spread

GATED = {"hidden_act": ["gelu", "linear"], "attention_head_size": 5, "num_decoder_layers": 1}
KINDS = {
    "gpt": {"shared_segment_embeddings": True},
    "gpt2": {},
    "gpt2_ml": {},
    "t5.1.0": {"hidden_act": "relu", "num_decoder_layers": 3},
    "t5.1.1": GATED,
    "umt5": GATED,
    "t5_pegasus": GATED,
    "bart": {"pad_token_id": 0, "num_decoder_layers": 3, "num_decoder_attention_heads": 4},
    "cpt": {"pad_token_id": 0, "num_decoder_layers": 1},
}
IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
SEGMENTS = np.where(IDS > 0, 4, 0)
TARGETS = np.array([[0, 5, 7, 11, 0], [0, 8, 9, 10, 12]])  # a decoder of T5 starts with 0


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(kind, checkpoint=None, model=None, **kwargs):
    logits = {"final_activation": "linear"} if "gpt" in kind else {"with_lm": "linear"}
    if model is not None and model.endswith("encoder"):
        logits = {}
    config = dict(SMALL, **KINDS[kind])
    return build_transformer_model(
        config, checkpoint, model or kind, return_keras_model=False, **dict(logits, **kwargs)
    )


def feed(kind):
    """(inputs, mask of the positions of the output)"""
    if "gpt" not in kind:
        return [IDS, TARGETS], np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]) > 0
    return ([IDS, SEGMENTS] if kind == "gpt" else [IDS]), IDS > 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_save_load_and_padding(kind, tmp_path):
    """All weights are in the mapping; the file is recognised and answers the same, also to padded input."""
    transformer = spread(build(kind))
    inputs, mask = feed(kind)
    want = outputs(transformer, *inputs)[0]
    again = build(kind, saved(transformer, tmp_path), model="auto")
    assert again.model_key == kind
    assert not again.load_report.unexpected and not again.load_report.initialized
    close(outputs(again, *inputs)[0], want, 1e-6)
    longer = [np.pad(x, ((0, 0), (0, 3)), "constant") for x in inputs]
    close(outputs(again, *longer)[0][:, : want.shape[1]][mask], want[mask])


@pytest.mark.parametrize("kind", ["gpt2", "t5.1.0", "t5.1.1", "bart", "cpt"])
def test_keep_tokens(kind, tmp_path):
    full = spread(build(kind))
    keep = [0, 3, 13, 2, 7, 5, 11, 6, 8, 9, 10, 12]
    kept = build(kind, saved(full, tmp_path), keep_tokens=keep)
    inputs, mask = feed(kind)
    got = outputs(kept, *[np.vectorize(keep.index)(x) for x in inputs])[0]
    close(got[mask], outputs(full, *inputs)[0][..., keep][mask], 1e-4)


@pytest.mark.parametrize("kind", ["gpt2_ml", "t5.1.1"])
def test_conditional_layer_norm(kind, tmp_path):
    """As it begins the condition has no effect; then every normalisation feels it."""
    plain = spread(build(kind))
    cond = keras.layers.Input((3,), name="Input-Condition")
    conditional = build(kind, saved(plain, tmp_path), layer_norm_cond=cond, additional_input_layers=cond)
    inputs, mask = feed(kind)
    inputs, want = inputs + [np.array([[1.0, -2.0, 0.5], [0.3, 0.2, -1.0]], "float32")], outputs(plain, *inputs)[0]
    close(outputs(conditional, *inputs)[0][mask], want[mask])
    norms = [conditional.layers[name] for name in conditional.layers if "-Norm" in name]
    assert len(norms) >= 5
    for layer in norms:
        layer.set_weights([w + 0.5 if w.ndim == 2 else w for w in layer.get_weights()])
    assert np.abs(outputs(conditional, *inputs)[0] - want)[mask].max() > 1e-2


@pytest.mark.parametrize("kind", ["gpt2", "t5_pegasus"])
def test_prefix_and_shared_layers(kind, tmp_path):
    plain = spread(build(kind))
    inputs, mask = feed(kind)
    want = outputs(plain, *inputs)[0]
    named = build(kind, saved(plain, tmp_path), prefix="My-")
    assert all(name.startswith("My-") for name in named.layers)
    close(outputs(named, *inputs)[0], want)
    shared = build(kind, layers={k: v for k, v in plain.layers.items() if "Input-" not in k})
    close(outputs(shared, *inputs)[0], want)


@pytest.mark.parametrize("kind", ["gpt", "gpt2", "gpt2_ml", "t5.1.0", "bart"])
def test_what_follows_is_not_seen(kind):
    transformer = spread(build(kind))
    inputs, _ = feed(kind)
    changed = [x.copy() for x in inputs]
    changed[0 if "gpt" in kind else -1][:, 3:] = 14
    before, after = outputs(transformer, *inputs)[0], outputs(transformer, *changed)[0]
    close(after[:, :3], before[:, :3], 1e-4)
    assert np.abs(after - before)[:, 3:].max() > 1e-2


def test_custom_positions_of_gpt2(tmp_path):
    plain = spread(build("gpt2"))
    custom = build("gpt2", saved(plain, tmp_path), custom_position_ids=True)
    positions = np.tile(np.arange(8), (2, 1))
    want = outputs(plain, IDS)[0]
    close(outputs(custom, IDS, positions)[0], want)
    assert np.abs(outputs(custom, IDS, positions + 5)[0] - want).max() > 1e-2


@pytest.mark.parametrize(
    "kind,kwargs,message",
    [
        ("gpt", {"with_mlm": True}, "final_activation"),
        ("gpt2", {"with_pool": True}, "no such head"),
        ("t5.1.1", {"application": "lm"}, "not possible"),
        ("t5.1.1", {"version": "t5.1.2"}, "expected one of 't5.1.0'"),
        ("t5.1.0", {"with_mlm": True}, "no argument 'with_mlm'"),
    ],
)
def test_refused(kind, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        build(kind, **kwargs)


# ---------------------------------------------------------------------------------------------------------- T5


def test_encoder_and_decoder_apart(tmp_path):
    """They are the whole; padding is zeros, which the decoder knows; each is also a model of its own."""
    whole = spread(build("t5.1.1"))
    path = saved(whole, tmp_path)
    want = outputs(whole, IDS, TARGETS)[0]
    context = goldens.predict(whole.encoder, [IDS])[0]
    assert np.abs(context[0, 6:]).max() == 0 and np.abs(context[0, :6]).min(axis=0).max() > 0
    close(goldens.predict(whole.decoder, [context, TARGETS])[0], want)
    moved = context.copy()
    moved[0, 6:] = 1.0
    assert np.abs(goldens.predict(whole.decoder, [moved, TARGETS])[0] - want).max() > 1e-3
    encoder = build("t5.1.1", path, "t5.1.1_encoder")
    close(outputs(encoder, IDS)[0], context)
    kinds = {kind for _, kind in encoder.load_report.unexpected}
    assert kinds == {"decoder of model='t5.1.1'", "output of model='t5.1.1'"}
    decoder = build("t5.1.1", path, "t5.1.1_decoder")
    close(outputs(decoder, context, TARGETS)[0], want)
    assert {kind for _, kind in decoder.load_report.unexpected} == {"encoder of model='t5.1.1'"}
    names = [re.match("[^:_]*", x.name).group() for x in decoder.inputs]  # TensorFlow 1 numbers those of other models
    assert names == ["Input-Context", "Decoder-Input-Token"]


def test_scale_of_logits_and_the_cross_position_bias(tmp_path):
    """What the versions do by default can be said outright."""
    plain = spread(build("t5.1.1"))
    path = saved(plain, tmp_path)
    want = outputs(plain, IDS, TARGETS)[0]
    close(outputs(build("t5.1.1", path, logit_scale=True), IDS, TARGETS)[0], want / 4)
    close(outputs(build("t5.1.1", path, logit_scale=0.5), IDS, TARGETS)[0], want / 2)
    erf = {"hidden_act": ["gelu", "linear"]}
    pegasus = build("t5.1.1", path, "t5_pegasus")
    same = build("t5.1.1", path, cross_position_bias=True, logit_scale=True, **erf)
    close(outputs(pegasus, IDS, TARGETS)[0], outputs(same, IDS, TARGETS)[0])
    difference = np.abs(outputs(pegasus, IDS, TARGETS)[0] - want / 4).max()
    assert difference > 1e-2 * np.abs(want / 4).max()


def test_gelu_of_t5():
    """In a configuration it is the tanh form, which Google's code computes; in the call it is what it says."""

    def gelu(kind, **kwargs):
        return build(kind, **kwargs).layers["Encoder-Transformer-0-FeedForward"].activation[0]

    assert gelu("t5.1.1") is activations.gelu_tanh
    assert gelu("t5.1.1", hidden_act=["gelu", "linear"]) is activations.gelu_erf
    assert gelu("t5_pegasus") is activations.gelu_erf


def test_a_table_in_every_block_is_umt5(tmp_path):
    """Neither network is taken for the other one, and the file's tables say which one it is."""
    for kind, wrong in (("umt5", "mt5.1.1"), ("mt5.1.1", "umt5")):
        checkpoint = saved(build("umt5", model=kind, vocab_size=128), tmp_path, kind)  # 50,000 would be T5-PEGASUS'
        assert build("umt5", checkpoint, model="auto", vocab_size=128).model_key == kind
        with pytest.raises(CheckpointError, match=f"build it with model='{kind}'"):
            build("umt5", checkpoint, model=wrong, vocab_size=128)


def test_umt5_scales_what_its_config_ties():
    """In transformers `tie_word_embeddings` decides it; the published configs say false."""
    for tied in (True, False):
        config = {"model_type": "umt5", "d_model": 16, "tie_word_embeddings": tied}
        assert interpret(config)["logit_scale"] == (tied, "tie_word_embeddings")
