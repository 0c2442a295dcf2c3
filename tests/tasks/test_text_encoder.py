"""Texts to vectors: `TextEncoder` on folders of sentence-transformers and on checkpoints of other projects.

tests/huggingface/tasks/test_sentence_transformers.py compares more layouts with sentence-transformers itself.
"""

import json
import os
import warnings

import numpy as np
import pytest

from b4k3.models import ConfigError, build_transformer_model
from b4k3.models.checkpoints import save_checkpoint
from b4k3.tasks import TextEncoder
from support import goldens
from support.small_models import CONFIG, spread

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 query :".split()
TEXTS = ["a cat sleeps", "the dog runs and runs and runs here and there", "我们", "", "a dog"]
IDS = [[2, 5, 6, 7, 3], [2, 8, 9, 10, 12, 10, 12, 10, 11, 12, 13, 3], [2, 14, 15, 3], [2, 3], [2, 5, 9, 3]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as google-research publishes it."""
    folder = tmp_path_factory.mktemp("google")
    transformer = build_transformer_model(CONFIG, with_pool=True, return_keras_model=False)
    spread(transformer).save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    tokens = VOCABULARY + [f"[unused{i}]" for i in range(CONFIG["vocab_size"] - len(VOCABULARY))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def hidden(checkpoint):
    """The last block at each token of each text, from the network without padding."""
    network = TextEncoder.from_folder(checkpoint, pooling="cls").transformer.model
    rows = [[np.array([ids]), np.zeros((1, len(ids)))] for ids in IDS]
    return [goldens.predict(network, row)[0][0] for row in rows]


def layout(checkpoint, folder, pooling, dense=None, unit=False, **general):
    """Write a folder of sentence-transformers from the checkpoint."""
    TextEncoder.from_folder(checkpoint, pooling="mean").save(str(folder))
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    if dense is not None:
        kernel, bias, activation = dense
        modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
        (folder / "2_Dense").mkdir()
        arrays = {"linear.weight": np.ascontiguousarray(kernel.T), "linear.bias": bias}
        save_checkpoint(str(folder / "2_Dense" / "model.safetensors"), arrays, format="safetensors")
        config = {"in_features": len(kernel), "out_features": len(bias), "activation_function": activation}
        (folder / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if unit:
        modules.append({"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "config_sentence_transformers.json").write_text(json.dumps(general), encoding="utf-8")
    return str(folder)


def unit(vectors):
    return vectors / np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize(
    "pooling, oracle", [("mean", lambda x: x.mean(0)), (["cls", "max"], lambda x: np.r_[x[0], x.max(0)])]
)
def test_a_pooling_that_is_named(checkpoint, hidden, pooling, oracle):
    encoder = TextEncoder.from_folder(checkpoint, pooling=pooling)
    want = np.stack([oracle(x) for x in hidden])
    for batch_size in (1, 3, 32):
        got = encoder.encode(TEXTS, batch_size=batch_size)
        assert got.dtype == np.float32 and encoder.size == want.shape[1]
        np.testing.assert_allclose(got, want, atol=2e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS, normalize=True), unit(want), atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS[1]), want[1], atol=2e-5)
    assert encoder.encode([]).shape == (0, encoder.size)
    joined = " + ".join([pooling] if isinstance(pooling, str) else pooling)
    facts = f"BERT, 2 blocks, {joined} pooling, vectors of {encoder.size} numbers, at most 32 tokens"
    assert repr(encoder) == f"<TextEncoder: {facts}>"


def test_the_pooler(checkpoint):
    encoder = TextEncoder.from_folder(checkpoint, pooling="pooler")
    network = encoder.transformer.model
    want = [goldens.predict(network, [np.array([ids]), np.zeros((1, len(ids)))])[0][0] for ids in IDS]
    np.testing.assert_allclose(encoder.encode(TEXTS), np.stack(want), atol=1e-5)


def test_a_folder_of_sentence_transformers(checkpoint, hidden, tmp_path):
    random = np.random.RandomState(0)
    kernel, bias = random.randn(16, 6).astype("float32"), random.randn(6).astype("float32")
    dense = (kernel, bias, "torch.nn.modules.activation.Tanh")
    folder = layout(
        checkpoint, tmp_path / "it", {"pooling_mode_lasttoken": True}, dense, True, similarity_fn_name="dot"
    )
    encoder = TextEncoder.from_folder(folder)
    want = unit(np.tanh(np.stack([x[-1] for x in hidden]) @ kernel + bias))
    np.testing.assert_allclose(encoder.encode(TEXTS), want, atol=1e-5)
    np.testing.assert_allclose(encoder.similarity(TEXTS), want @ want.T, atol=1e-5)
    distances = np.sqrt(np.square(want[:, None] - want[None]).sum(-1))
    np.testing.assert_allclose(encoder.similarity(want, metric="euclidean"), -distances, atol=1e-5)
    encoder.save(str(tmp_path / "again"))
    again = TextEncoder.from_folder(tmp_path / "again")
    np.testing.assert_allclose(again.encode(TEXTS), want, atol=1e-5)
    assert again.modules.similarity == "dot"


def test_prompts(checkpoint, tmp_path):
    prompts = {"query": "query: ", "nothing": ""}
    pooling = {"pooling_mode": "mean", "include_prompt": False}
    folder = layout(checkpoint, tmp_path / "it", pooling, prompts=prompts, default_prompt_name="query")
    encoder = TextEncoder.from_folder(folder)
    plain = TextEncoder.from_folder(checkpoint, pooling="mean")
    ids = np.array([[2, 16, 17, 5, 6, 3]])
    states = goldens.predict(plain.transformer.model, [ids, np.zeros_like(ids)])[0][0]
    np.testing.assert_allclose(encoder.encode("a cat"), states[3:].mean(0), atol=1e-5)
    np.testing.assert_allclose(encoder.encode("a cat", prompt_name="nothing"), plain.encode("a cat"), atol=1e-5)
    np.testing.assert_allclose(plain.encode("a cat", prompt="query: "), states.mean(0), atol=1e-5)
    with pytest.raises(ConfigError, match="prompt_name='passage', and the prompts are"):
        encoder.encode("a", prompt_name="passage")


def test_texts_that_are_cut_are_counted(checkpoint):
    encoder = TextEncoder.from_folder(checkpoint, pooling="mean", maxlen=5)
    with pytest.warns(UserWarning, match="1 of 5 texts have more than 5 tokens and were cut"):
        cut = encoder.encode(TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        np.testing.assert_allclose(cut[1], encoder.encode("the dog runs"), atol=1e-5)


def test_the_mean_of_windows(checkpoint):
    """A long text has the mean of the vectors of its windows; other texts have the vectors that they always have."""
    encoder = TextEncoder.from_folder(checkpoint, pooling="mean", maxlen=6)
    got = encoder.encode(TEXTS, windows="mean", stride=1)
    windows = ["the dog runs and", "and runs and runs", "runs here and there"]
    np.testing.assert_allclose(got[1], encoder.encode(windows).mean(0), atol=1e-5)
    np.testing.assert_allclose(got[[0, 2, 3, 4]], encoder.encode([TEXTS[i] for i in (0, 2, 3, 4)]), atol=1e-6)
    for arguments, message in [
        ({"windows": "merge"}, "windows='merge', expected one of cut, mean"),
        ({"stride": 2}, "'cut' makes no windows"),
        ({"windows": "mean", "stride": 4}, "maxlen=6, stride=4"),
    ]:
        with pytest.raises(ConfigError, match=message):
            encoder.encode(TEXTS, **arguments)


@pytest.mark.parametrize("said, same", [({"do_lower_case": False}, False), ({"do_lower_case": True}, True), ({}, True)])
def test_a_tokenizer_config_says_whether_text_is_lower_cased(checkpoint, tmp_path, said, same):
    folder = tmp_path / "it"
    TextEncoder.from_folder(checkpoint, pooling="mean").save(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    vectors = TextEncoder.from_folder(folder).encode(["A CAT", "a cat"])
    assert np.allclose(vectors[0], vectors[1], atol=1e-6) == same


WRONG = {
    "a module of a repository": (
        "modules.json",
        '[{"path": "", "type": "custom_st.Transformer"}]',
        "no module of sentence",
    ),
    "no pooling": (
        "modules.json",
        '[{"path": "", "type": "sentence_transformers.models.Transformer"}]',
        "a Pooling first",
    ),
    "a mode": ("1_Pooling/config.json", '{"pooling_mode": "attention"}', "pooling_mode='attention', expected one of"),
    "a key": ("1_Pooling/config.json", '{"pooling_mode": "mean", "layers": 2}', "layers=2 is not implemented"),
    "no JSON": ("1_Pooling/config.json", "{", "config.json"),
    "a task": ("sentence_bert_config.json", '{"transformer_task": "fill-mask"}', "transformer_task='fill-mask'"),
    "a kind of model": ("config_sentence_transformers.json", '{"model_type": "SparseEncoder"}', "SparseEncoder"),
    "a similarity": ("config_sentence_transformers.json", '{"similarity_fn_name": "jaccard"}', "jaccard"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_a_folder_may_not_say(checkpoint, tmp_path, name):
    file, text, message = WRONG[name]
    folder = layout(checkpoint, tmp_path / "it", {"pooling_mode": "mean"})
    with open(os.path.join(folder, *file.split("/")), "w", encoding="utf-8") as f:
        f.write(text)
    with pytest.raises(ConfigError, match=message):
        TextEncoder.from_folder(folder)


def test_wrong_arguments(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="has no modules.json, so name a pooling, one of cls"):
        TextEncoder.from_folder(checkpoint)
    with pytest.raises(ConfigError, match="pooling='median', expected one or more of cls"):
        TextEncoder.from_folder(checkpoint, pooling="median")
    encoder = TextEncoder.from_folder(checkpoint, pooling="mean")
    with pytest.raises(ConfigError, match=r"texts\[1\] is int, expected str"):
        encoder.encode(["a", 5])
    for arguments, message in [
        (([("a", "b")], [1.0], "simcse"), "the loss 'simcse' reads no labels"),
        (([("a", "b")], None, "cosent"), "the loss 'cosent' needs labels"),
        ((["a"], None, "multiple_negatives"), r"texts\[0\]: expected a pair"),
        (([("a", "b")], [1.0, 2.0]), "expected 1 finite numbers"),
        (([],), "there is no pair"),
        (([("a", "b")], None, "triplet"), "loss='triplet', expected one of"),
    ]:
        with pytest.raises(ConfigError, match=message):
            encoder.fit(*arguments)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there already"):
        encoder.save(tmp_path / "mine")
    with pytest.raises(ConfigError, match="has notes.txt, which save did not write"):
        encoder.save(tmp_path / "mine", overwrite=True)
    assert os.listdir(str(tmp_path / "mine")) == ["notes.txt"] and os.listdir(str(tmp_path)) == ["mine"]


PAIRS = [("a cat", "the cat"), ("a dog", "dog runs"), ("我", "们"), ("here", "there")]


@pytest.mark.parametrize("loss", ["cosent", "multiple_negatives", "simcse"])
def test_training_brings_pairs_together(checkpoint, tmp_path, loss):
    encoder = TextEncoder.from_folder(checkpoint, pooling="mean", dropout_rate=0, attention_dropout_rate=0)
    labels = [1, 1, 0, 0] if loss == "cosent" else None
    before = encoder.encode(["a cat", "的"])
    history = encoder.fit(PAIRS, labels, loss, batch_size=4, epochs=10, learning_rate=3e-3, verbose=0)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
    after = encoder.encode(["a cat", "的"])
    assert np.abs(after - before).max() > 1e-3
    encoder.save(tmp_path / "trained")
    encoder.save(tmp_path / "trained", overwrite=True)
    np.testing.assert_allclose(TextEncoder.from_folder(tmp_path / "trained").encode(["a cat", "的"]), after, atol=1e-5)
