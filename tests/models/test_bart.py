"""What BART and CPT have that no other network has, on the goldens and on random weights."""

import re

import numpy as np
import pytest

from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from support import goldens
from support.small_models import SMALL, close, outputs, saved, spread

ROOT = goldens.ROOT / "huggingface"
IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
TARGETS = np.array([[3, 5, 7, 11, 0], [3, 8, 9, 10, 12]])
BART = dict(SMALL, pad_token_id=0, num_decoder_layers=3, decoder_start_token_id=3)


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(model="bart", checkpoint=None, **kwargs):
    return build_transformer_model(BART, checkpoint, model, return_keras_model=False, **kwargs)


def arrays(folder):
    with open_checkpoint(str(ROOT / folder)) as checkpoint:
        return {name: checkpoint[name] for name in checkpoint}


def golden(folder, tensors=None, **kwargs):
    path = str(ROOT / folder)
    if tensors is not None:
        path = path + "/config.json"
    return build_transformer_model(path, tensors, "auto", return_keras_model=False, **kwargs)


# ------------------------------------------------------------------------------------------------------------ BART


def test_encoder_and_decoder_apart(tmp_path):
    """They are the whole; each is also a model of its own."""
    whole = spread(build(with_lm="linear"))
    path = saved(whole, tmp_path)
    want = outputs(whole, IDS, TARGETS)[0]
    encoder = build_transformer_model(
        dict(SMALL, pad_token_id=0, num_decoder_layers=3), path, "bart_encoder", return_keras_model=False
    )
    context = outputs(encoder, IDS)[0]
    assert np.abs(context[0, 6:]).max() == 0
    assert {kind for _, kind in encoder.load_report.unexpected} == {"decoder of model='bart'"}
    decoder = build("bart_decoder", path, with_lm="linear")
    close(outputs(decoder, context, TARGETS)[0], want)
    assert {kind for _, kind in decoder.load_report.unexpected} == {"encoder of model='bart'"}


def test_a_source_is_padded_no_further_than_the_positions():
    """Compiled code pads it to a round number; these files have 18 positions."""
    transformer = golden("bart", with_lm="linear")
    assert transformer.generate([[5, 6, 7]], 4).shape == (1, 4)
    assert transformer.generate([list(range(5, 23))], 4).shape == (1, 4)


def test_an_output_that_is_not_tied_has_three_tables(tmp_path):
    untied = spread(build(with_lm="linear", tie_word_embeddings=False))
    again = build(checkpoint=saved(untied, tmp_path), with_lm="linear")  # the file tells
    assert not again.tie_word_embeddings and "Embedding-Token" not in again.layers
    close(outputs(again, IDS, TARGETS)[0], outputs(untied, IDS, TARGETS)[0])


def test_names_of_old_files():
    """Without the prefix, with the table under every name; the output is the same."""
    tensors = {name.replace("model.", "", 1): array for name, array in arrays("bart").items()}
    for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"):
        tensors[name] = tensors["shared.weight"]
    z = np.load(str(ROOT / "bart" / "expected.npz"))
    old = golden("bart", tensors, with_lm="linear")
    assert old.tie_word_embeddings
    close(outputs(old, z["ids"], z["decoder_ids"])[0], z["lm"])
    del tensors["final_logits_bias"]
    lacking = golden("bart", tensors, with_lm="linear")
    close(outputs(lacking, z["ids"], z["decoder_ids"])[0], z["lm"] - arrays("bart")["final_logits_bias"])


def test_forced_tokens():
    """The first and the last one, unless the call says -1; the last one only if it ends the output."""
    forced = spread(build(forced_bos_token_id=7, forced_eos_token_id=6))
    free = build(forced_bos_token_id=-1, forced_eos_token_id=-1, layers=forced.layers)
    for beams in (2, 1):
        tokens = forced.generate(IDS, 5, end_id=6, num_beams=beams)
        assert (tokens[:, 0] == 7).all()
        assert all(6 in row for row in tokens.tolist())
    assert (free.generate(IDS, 1)[:, 0] != 7).any()
    logits = outputs(free, IDS, np.array([[3, 7]] * 2))[0]
    assert tokens[:, 1].tolist() == logits[:, 1].argmax(axis=-1).tolist()


def test_ids_of_generate_follow_keep_tokens(tmp_path):
    full = spread(build(forced_bos_token_id=7))
    keep = [0, 13, 3, 2, 7, 5, 11, 6, 8, 9, 10, 12]
    kept = build(checkpoint=saved(full, tmp_path), keep_tokens=keep, forced_bos_token_id=7)
    assert kept.generate(np.vectorize(keep.index)(IDS), 1).tolist() == [[4], [4]]
    with pytest.raises(ConfigError, match="decoder_start_token_id=3 is not in keep_tokens"):
        build(keep_tokens=[0, 1, 2])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"normalize_before": True}, "normalize_before=True is another network"),
        ({"add_final_layer_norm": True}, "add_final_layer_norm=True is another network"),
        ({"is_encoder_decoder": False}, "is_encoder_decoder=False is another network"),
        ({"attention_head_size": 5}, "attention_head_size=5: BART always has 8"),
        ({"embedding_size": 12}, "embedding_size=12: BART always has 16"),
        ({"num_decoder_attention_heads": 3}, "hidden_size=16 is no multiple of the 3 heads"),
        ({"model_type": "mbart"}, "model_type='mbart' is another network"),
        ({"forced_bos_token_id": "a"}, "forced_bos_token_id='a', expected an int"),
    ],
)
def test_refused(change, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_transformer_model(dict(BART, **change), model="bart")


def test_relatives_are_refused():
    """mBART's names are BART's and one more on each side; its config would say so."""
    tensors = arrays("bart")
    for side in ("encoder", "decoder"):
        for end in ("weight", "bias"):
            tensors[f"model.{side}.layer_norm.{end}"] = np.ones(24, "float32")
    with pytest.raises(CheckpointError, match="as in mBART and Pegasus"):
        golden("bart", tensors)


# ------------------------------------------------------------------------------------------------------------- CPT


def test_the_blocks_for_understanding():
    z = np.load(str(ROOT / "cpt" / "expected.npz"))
    cpt = golden("cpt", with_mlm="linear")
    assert cpt.model_key == "cpt"
    mask = z["ids"] > 0
    close(goldens.predict(cpt.understanding, [z["ids"]])[0][mask], z["mlm"][mask])
    other = golden("cpt", with_mlm="linear", encoder_segment=0)
    assert np.abs(goldens.predict(other.understanding, [z["ids"]])[0] - z["mlm"])[mask].max() > 1e-2


def test_an_encoder_of_fewer_positions_than_the_config_says():
    tensors = arrays("cpt")
    table = "model.encoder.embeddings.position_embeddings.weight"
    tensors[table] = tensors[table][:12]
    cpt = golden("cpt", tensors, with_lm="linear")
    assert (cpt.encoder_max_position, cpt.max_position) == (12, 20)
    z = np.load(str(ROOT / "cpt" / "expected.npz"))
    close(outputs(cpt, z["ids"], z["decoder_ids"])[0], z["lm"])


def test_bart_and_cpt_are_told_apart():
    with pytest.raises(CheckpointError, match="build it with model='cpt'"):
        build_transformer_model(str(ROOT / "cpt"), model="bart")
    with pytest.raises(ConfigError, match="build a BART with model='bart'"):
        build_transformer_model(str(ROOT / "bart"), model="cpt")
    with pytest.raises(CheckpointError, match="build it with model='bart'"):
        build_transformer_model(str(ROOT / "bart"), model="cpt", num_hidden_layers=3)


def test_a_decoder_that_is_too_deep_is_refused():
    with pytest.raises(ConfigError, match="the encoder of CPT has more blocks than the decoder"):
        build("cpt")
    with pytest.raises(ConfigError, match="encoder_segment=2, expected 0 or 1"):
        build("cpt", num_decoder_layers=1, encoder_segment=2)
