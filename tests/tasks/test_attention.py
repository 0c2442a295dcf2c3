"""Attention weights of a layer. tests/huggingface/tasks/test_attention_weights.py compares them with transformers."""

import types

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.layers import MultiHeadAttention
from b4k3.models import ConfigError, build_transformer_model
from b4k3.tasks import attention_weights
from b4k3.tasks.attention import weights_of
from support.small_models import SMALL, spread

TEXT = "2 5 9 7 7 12 3"


class Ids:
    """A tokenizer whose texts are ids."""

    def encode_batch(self, texts, pairs=(), maxlen=None, padding=False):
        rows = [(text.split(), pair.split()) for text, pair in zip(texts, pairs or [""] * len(texts))]
        return types.SimpleNamespace(
            tokens=[a + b for a, b in rows],
            ids=[[int(x) for x in a + b] for a, b in rows],
            type_ids=[[0] * len(a) + [1] * len(b) for a, b in rows],
        )


def task(model, maxlen=None, **sizes):
    network = build_transformer_model(dict(SMALL, **sizes), model=model, return_keras_model=False)
    return types.SimpleNamespace(transformer=spread(network), tokenizer=Ids(), maxlen=maxlen)


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def test_by_hand():
    """The second block of BERT, from the weights of its layers and the output of the first one."""
    bert = task("bert")
    layers = bert.transformer.layers
    first = bert.transformer.model.__class__(bert.transformer.inputs, layers["Transformer-0-FeedForward-Norm"].output)
    ids = np.array([[int(x) for x in TEXT.split()]])
    x = ops.convert_to_numpy(first([ids, np.zeros_like(ids)]))[0]
    wq, bq, wk, bk = layers["Transformer-1-MultiHeadSelfAttention"].get_weights()[:4]
    q, k = ((x @ w + b).reshape(len(x), 2, 8) for w, b in ((wq, bq), (wk, bk)))
    want = softmax(np.einsum("nhd,mhd->hnm", q, k) / np.sqrt(8))
    tokens, got = attention_weights(bert, TEXT, 1)
    assert tokens == TEXT.split() and got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-5)
    both = attention_weights(bert, (TEXT, TEXT), 1)[1]
    assert both.shape == (2, 14, 14)


def test_vectors_of_distances():
    """NEZHA adds vectors of the distances to the values, too, which weights do not show."""
    random = np.random.RandomState(0)
    x, vectors = random.randn(1, 5, 16).astype("float32"), random.randn(5, 5, 8).astype("float32")
    layer = MultiHeadAttention(heads=2, head_size=8)
    inputs = [ops.convert_to_tensor(x)] * 3 + [ops.convert_to_tensor(vectors)]
    mask = ops.convert_to_tensor([[True, True, True, True, False]])
    layer(inputs, p_bias="typical_relative")
    wq, bq, wk, bk = layer.get_weights()[:4]
    q, k = ((x[0] @ w + b).reshape(5, 2, 8) for w, b in ((wq, bq), (wk, bk)))
    scores = np.einsum("nhd,mhd->hnm", q, k) + np.einsum("nhd,nmd->hnm", q, vectors)
    want = softmax(scores / np.sqrt(8) + np.array([0, 0, 0, 0, -1e30]))
    got = ops.convert_to_numpy(weights_of(layer, inputs, mask, p_bias="typical_relative"))[0]
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_padding_changes_nothing():
    """Texts are padded to few lengths, as each of them is compiled on JAX."""
    nezha = task("nezha")
    got = attention_weights(nezha, TEXT, 1)[1]
    nezha.transformer.conv_kernel_size = 1  # where there is a convolution, nothing is padded
    np.testing.assert_allclose(got, attention_weights(nezha, TEXT, 1)[1], atol=1e-5)
    np.testing.assert_allclose(got.sum(-1), 1, atol=1e-5)


def test_what_is_refused():
    bert = task("bert", maxlen=8)
    for layer in (-1, 2, "0", True):
        with pytest.raises(ConfigError, match="expected a whole number from 0 to 1"):
            attention_weights(bert, TEXT, layer)
    for text, message in ((TEXT + " 3 3", "9 tokens, expected 1 to 8"), ("", "0 tokens"), (("a", "b", "c"), "pair")):
        with pytest.raises(ConfigError, match=message):
            attention_weights(bert, text, 0)
    with pytest.raises(ConfigError, match="attention weights of XLNet are not implemented.*RelativeMultiHeadAttention"):
        attention_weights(task("xlnet"), TEXT, 0)
    with pytest.raises(ConfigError, match="expected a task of b4k3.tasks, got dict"):
        attention_weights({}, TEXT, 0)
