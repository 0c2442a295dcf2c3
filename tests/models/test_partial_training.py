"""Parts that are frozen, on every Keras, and LoRA refused where the Keras has none."""

import numpy as np
import pytest

from b4k3.backend import BackendError, keras
from b4k3.models import ConfigError, build_transformer_model
from support.small_models import SMALL


def build(model="bert", **kwargs):
    config = {key: value for key, value in dict(SMALL, **kwargs).items() if value is not None}
    return build_transformer_model(config, model=model, return_keras_model=False)


def trained(transformer):
    """The names of the layers that are trained."""
    return {layer.name for layer in transformer.model.layers if layer.trainable_weights}


def test_parts_and_blocks(capsys):
    bert = build(with_pool=True)
    everything = trained(bert)
    share = bert.freeze("embeddings", layers=range(1))
    frozen = {name for name in everything if name.startswith(("Embedding-", "Transformer-0-"))}
    assert trained(bert) == everything - frozen
    want = sum(np.prod(w.shape) for w in bert.model.trainable_weights)
    assert share.trainable == want < share.total == bert.model.count_params()
    assert f"froze 8 layers: trainable {share.trainable:,} of {share.total:,}" in capsys.readouterr().out
    bert.freeze("pooler", "blocks", verbose=False)
    assert trained(bert) == set()
    bert.unfreeze("embeddings", "pooler", layers=[1], verbose=False)
    bert.unfreeze(layers=[0], verbose=False)
    assert trained(bert) == everything
    assert not capsys.readouterr().out


def test_shared_blocks_and_two_stacks():
    albert = build("albert", embedding_size=12)
    with pytest.raises(ConfigError, match="block 1 has Transformer-FeedForward too"):
        albert.freeze(layers=[0])
    albert.freeze(layers=[0, 1], verbose=False)
    assert not [name for name in trained(albert) if name.startswith("Transformer")]
    t5 = build("t5.1.0", hidden_act="relu", max_position=None)
    t5.freeze("encoder", layers=[1], verbose=False)
    blocks = {name.split("-Multi")[0].split("-Feed")[0] for name in trained(t5) if "Transformer" in name}
    assert blocks == {"Decoder-Transformer-0"}


@pytest.mark.parametrize(
    ("parts", "layers", "said"),
    [
        ((), None, "name the parts, for instance 'embeddings'"),
        (("embedding",), None, "no part 'embedding' .did you mean 'embeddings'.*It has 'embeddings', 'blocks'"),
        (("MLM head",), None, "no part 'MLM head'"),
        ((), [2], "no block 2; the blocks are 0 to 1"),
        ((), [-1], "no block -1"),
        ((), [True], "no block True"),
        ((), "01", "layers='01', expected the numbers"),
        ((), 1, "layers=1, expected the numbers"),
    ],
)
def test_what_is_refused(parts, layers, said):
    bert = build()
    everything = trained(bert)
    with pytest.raises(ConfigError, match=said):
        bert.freeze(*parts, layers=layers)
    assert trained(bert) == everything


def test_lora_needs_keras_3():
    bert = build(with_pool=True)
    if not hasattr(keras.layers.Dense, "enable_lora"):
        for call in (lambda: bert.enable_lora(2), lambda: bert.load_adapter("nothing")):
            with pytest.raises((BackendError, FileNotFoundError)):
                call()
        with pytest.raises(BackendError, match="LoRA needs Keras 3.*b4k3.jax.*transformer.freeze"):
            bert.enable_lora(2)
        return
    bert.freeze("embeddings", verbose=False)
    bert.enable_lora(2, "query", verbose=False)
    assert trained(bert) == {f"Transformer-{i}-MultiHeadSelfAttention" for i in range(2)}
    bert.unfreeze("pooler", layers=[0], verbose=False)  # the kernels with LoRA stay frozen
    names = {w.path for w in bert.model.trainable_weights}
    assert "Transformer-0-MultiHeadSelfAttention/query/kernel" not in names
    assert {"Transformer-0-MultiHeadSelfAttention/key/kernel", "Pooler-Dense/kernel"} <= names
    bert.remove_lora()
    assert "Embedding-Token" not in trained(bert) and "Transformer-1-FeedForward" in trained(bert)
