"""XLNet: the files of its authors, padding on either side, and the second stream."""

import json

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from support import goldens
from support.small_models import close, outputs

GOLDEN = goldens.ROOT / "huggingface" / "xlnet"
# The authors' config, whose "gelu" is the tanh form; the golden model has the erf form.
CONFIG = {"d_head": 8, "d_inner": 40, "d_model": 24, "ff_activation": "gelu", "n_head": 3, "n_layer": 2, "n_token": 60}
CONFIG["untie_r"] = True
ERF = {"hidden_act": "gelu_erf", "with_lm": "linear"}
STACKS = ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed")
# The facts of `build_tf_xlnet_to_pytorch_map` of transformers 4: the name in torch -> the name after layer_N/.
OF_A_BLOCK = {f"rel_attn.{name}": f"rel_attn/{name}/kernel" for name in "qkvor"}
OF_A_BLOCK.update({f"ff.layer_{i}.weight": f"ff/layer_{i}/kernel" for i in (1, 2)})
OF_A_BLOCK.update({f"ff.layer_{i}.bias": f"ff/layer_{i}/bias" for i in (1, 2)})
for scope in ("rel_attn", "ff"):
    OF_A_BLOCK[scope + ".layer_norm.weight"] = scope + "/LayerNorm/gamma"
    OF_A_BLOCK[scope + ".layer_norm.bias"] = scope + "/LayerNorm/beta"
OTHERS = {"transformer.word_embedding.weight": "model/transformer/word_embedding/lookup_table"}
OTHERS.update({"transformer.mask_emb": "model/transformer/mask_emb/mask_emb", "lm_loss.bias": "model/lm_loss/bias"})


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(str(GOLDEN / "expected.npz")))


@pytest.fixture(scope="module")
def of_authors():
    """The golden model under the authors' names."""
    with open_checkpoint(str(GOLDEN)) as checkpoint:
        found = {theirs: np.array(checkpoint[ours]) for ours, theirs in OTHERS.items()}
        for i in range(2):
            for ours, theirs in OF_A_BLOCK.items():
                value = np.array(checkpoint[f"transformer.layer.{i}.{ours}"])
                found[f"model/transformer/layer_{i}/{theirs}"] = value.T if "ff.layer_" in ours else value
        for name in STACKS:
            values = [np.array(checkpoint[f"transformer.layer.{i}.rel_attn.{name}"]) for i in range(2)]
            found["model/transformer/" + name] = np.stack(values)
    return found


def build(*args, **kwargs):
    return build_transformer_model(*args, return_keras_model=False, **kwargs)


def answers(transformer, golden):
    return outputs(transformer, golden["ids"], golden["segments"])[0][golden["mask"] == 1]


def test_the_files_of_the_authors(of_authors, golden, tmp_path):
    """The folder is recognised, and what is written has the names, shapes and values that were read."""
    save_checkpoint(str(tmp_path / "xlnet_model.ckpt"), dict(of_authors, global_step=np.array(7)))
    (tmp_path / "xlnet_config.json").write_text(json.dumps(CONFIG))
    transformer = build(str(tmp_path), **ERF)
    assert transformer.model_key == "xlnet" and transformer.pad_token_id == 5
    assert ("model/transformer/mask_emb/mask_emb", "query stream") in transformer.load_report.unexpected
    close(answers(transformer, golden), golden["lm"][golden["mask"] == 1])
    assert build(str(tmp_path)).hidden_act == "gelu_tanh"
    both = build(str(tmp_path), two_streams=True, **ERF)
    both.save_weights_as_checkpoint(str(tmp_path / "again"))
    with open_checkpoint(str(tmp_path / "again")) as written:
        assert sorted(written) == sorted(of_authors)
        for name, value in of_authors.items():
            np.testing.assert_array_equal(written[name], value)


def test_shapes_tell_what_a_config_does_not(of_authors, golden):
    transformer = build({"ff_activation": "gelu"}, of_authors, model="auto", **ERF)
    assert (transformer.num_attention_heads, transformer.attention_head_size, transformer.num_hidden_layers) == (
        3,
        8,
        2,
    )
    close(answers(transformer, golden), golden["lm"][golden["mask"] == 1])


def test_biases_that_all_blocks_share(of_authors, golden):
    """untie_r=false: the stacks of the biases have no axis for the blocks."""
    tied, copied = dict(of_authors), dict(of_authors)
    for name in ("model/transformer/" + name for name in STACKS[:3]):
        tied[name] = of_authors[name][0]
        copied[name] = np.stack([of_authors[name][0]] * 2)
    config = dict(CONFIG, untie_r=False)
    got, want = (answers(build(config, tensors, model="xlnet", **ERF), golden) for tensors in (tied, copied))
    close(got, want, 1e-7)


def test_padding_on_either_side(golden):
    transformer = build(str(GOLDEN), with_lm="linear")
    lengths, n = golden["mask"].sum(1), 12
    left = outputs(transformer, golden["ids"], golden["segments"])[0]
    ids, segments = np.full((3, n + 2), 5), np.full((3, n + 2), 7)
    for row, length in enumerate(lengths):
        ids[row, :length] = golden["ids"][row, n - length :]
        segments[row, :length] = golden["segments"][row, n - length :]
    right = outputs(transformer, ids, segments)[0]
    for row, length in enumerate(lengths):
        close(right[row, :length], left[row, n - length :])


def test_the_query_stream(golden):
    """It predicts a token without knowing it: transformers with perm_mask, and a target at every position."""
    order = np.argsort(np.random.RandomState(3).rand(3, 12), axis=1)
    hidden = (order[:, :, None] <= order[:, None, :]).astype("float32")
    transformer = build(str(GOLDEN), two_streams=True, with_lm="linear")
    assert not transformer.load_report.unexpected
    got = outputs(transformer, golden["ids"], golden["segments"], hidden)[0]
    # A position that sees no token gets the mean of all, in which the padding of transformers has seen itself.
    compared = (golden["mask"] == 1) & ((hidden == 0) & (golden["mask"] == 1)[:, None]).any(-1)
    close(got[compared], golden["query"][compared])
    changed = golden["ids"].copy()
    changed[0, 3] = 1 + changed[0, 3] % 4
    again = outputs(transformer, changed, golden["segments"], hidden)[0]
    close(again[0, 3], got[0, 3], 1e-6)


@pytest.mark.parametrize(
    "change", [{"bi_data": True}, {"attn_type": "uni"}, {"ff_activation": "sin"}, {"color": "red"}]
)
def test_what_is_not_xlnet_is_refused(change):
    if "color" in change:
        with pytest.warns(UserWarning, match="color"):
            build(dict(CONFIG, **change), model="xlnet")
        return
    with pytest.raises(ConfigError, match=next(iter(change))):
        build(dict(CONFIG, **change), model="xlnet")


def test_wrong_models_and_arguments(of_authors):
    with pytest.raises(CheckpointError, match="build it with model='xlnet'"):
        build(
            dict(CONFIG, vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=3), of_authors, "bert"
        )
    with pytest.raises(ConfigError, match="model='xlnet' fits it"):
        build(str(GOLDEN), model="bert")
    for wrong in ({"residual_attention_scores": True}, {"embedding_size": 16}, {"application": "lm"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            build(str(GOLDEN), **wrong)
