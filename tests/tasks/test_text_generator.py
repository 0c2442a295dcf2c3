"""Texts to texts: `TextGenerator` as a language model, a UniLM and an encoder-decoder.

tests/huggingface/tasks/test_generators.py compares its texts with transformers.
"""

import json

import numpy as np
import pytest

from b4k3.backend import keras, ops
from b4k3.layers import Loss
from b4k3.models import ConfigError, build_transformer_model
from b4k3.snippets import sequence_padding
from b4k3.tasks import TextGenerator
from b4k3.tasks.text_streams import TextStream
from b4k3.tokenizers import SpTokenizer, Tokenizer
from support.sentencepiece_models import BYTES, SPECIALS, build
from support.small_models import CONFIG, spread

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 ' t ##s .".split()
TEXTS = ["a cat", "the dog runs and runs and runs here", "我们", "a"]
SIZES = {key: CONFIG[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}
GPT2 = dict(SIZES, vocab_size=20, max_position=32, hidden_act="gelu_tanh", model_type="gpt2")
T5 = dict(SIZES, vocab_size=20, hidden_act=["gelu", "linear"], attention_head_size=8, model_type="t5_pegasus")
FORMS = {
    "lm": ("gpt2", GPT2, {}),
    "unilm": ("bert", CONFIG, {"application": "unilm", "with_mlm": True}),
    "answer": ("t5_pegasus", T5, {}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{form: a folder with a checkpoint, its config and its vocabulary}"""
    found = {}
    for form, (model, config, extra) in FORMS.items():
        folder = tmp_path_factory.mktemp(form)
        transformer = build_transformer_model(config, model=model, return_keras_model=False, **extra)
        spread(transformer).save_weights_as_checkpoint(str(folder / "model.safetensors"), format="safetensors")
        (folder / "config.json").write_text(json.dumps(dict(config, model_type=model)), encoding="utf-8")
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
        found[form] = str(folder)
    return found


def opened(folders, form, **arguments):
    if form == "unilm":
        arguments["application"] = "unilm"
    return TextGenerator.from_folder(folders[form], **arguments)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_texts_are_the_tokens_of_generate(folders, form, tmp_path):
    generator = opened(folders, form)
    tokenizer, transformer = Tokenizer(folders[form] + "/vocab.txt", do_lower_case=True), generator.transformer
    rows = [tokenizer.encode(text)[0] for text in TEXTS]
    rows = [row[:-1] for row in rows] if form == "lm" else rows
    options = {"start_id": 2} if form == "answer" else {}
    tokens = transformer.generate(sequence_padding(rows), 6, end_id=3, **options).tolist()
    tokens = [row[: row.index(3)] if 3 in row else row for row in tokens]
    want = [tokenizer.decode(row) for row in tokens]
    got = generator.predict(TEXTS, max_new_tokens=6, batch_size=4)
    assert [text.strip() for text in got] == want and any(want)
    if form == "lm":
        assert [text + more for text, more in zip(TEXTS, got)] == [
            tokenizer.decode(row + ids) for row, ids in zip(rows, tokens)
        ]
    assert "".join(generator.stream(TEXTS[1], max_new_tokens=6)) == got[1]
    assert generator.predict([]) == []
    assert repr(generator).startswith("<TextGenerator: ") and ("'unilm'" in repr(generator)) == (form == "unilm")


def test_the_draws_of_a_stream_are_the_ones_of_predict(folders):
    generator, sampled = opened(folders, "lm"), {"max_new_tokens": 6, "do_sample": True, "top_p": 0.9, "seed": 3}
    assert "".join(generator.stream(TEXTS[1], **sampled)) == generator.predict(TEXTS[1:2], **sampled)[0]


@pytest.mark.parametrize("form", ["unilm", "answer"])
def test_a_saved_folder_generates_the_same(folders, form, tmp_path):
    generator = opened(folders, form)
    generator.save(tmp_path / "saved")
    again = TextGenerator.from_folder(tmp_path / "saved")
    assert (again.end_ids, again.application, type(again._form)) == ([3], generator.application, type(generator._form))
    for ours, theirs in zip(again.model.get_weights(), generator.model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


class CrossEntropy(Loss):
    """The loss of examples/title_generation_unilm.py and of title_generation_t5.py."""

    def compute_loss(self, inputs, mask=None):
        y_true, y_mask, y_pred = inputs
        y_true, y_mask, y_pred = y_true[:, 1:], ops.cast(y_mask[:, 1:], "float32"), y_pred[:, :-1]
        loss = ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred, from_logits=True)
        return ops.sum(loss * y_mask) / ops.sum(y_mask)


TARGETS = ["sleeps", "there and here", "我们", "dog"]


def long_script(transformer, tokenizer, form, epochs, rate):
    """Train as the examples do, in the order of `fit`, and return the losses of the epochs."""
    encoded = [tokenizer.encode(text, target) for text, target in zip(TEXTS, TARGETS)]
    ids = sequence_padding([row for row, _ in encoded])
    inputs = [ids, sequence_padding([row for _, row in encoded])]
    mask = inputs[1]
    if form == "answer":
        titles = sequence_padding([tokenizer.encode(target)[0] for target in TARGETS])  # [CLS] is the start
        inputs, ids, mask = (
            [sequence_padding([tokenizer.encode(text)[0] for text in TEXTS]), titles],
            titles,
            titles > 0,
        )
    elif form == "lm":
        prompts = [[2] + tokenizer.encode(text)[0][1:-1] for text in TEXTS]
        answers = [tokenizer.encode(target)[0][1:] for target in TARGETS]
        ids = sequence_padding([a + b for a, b in zip(prompts, answers)])
        mask = sequence_padding([[0] * len(a) + [1] * len(b) for a, b in zip(prompts, answers)])
        inputs = [ids]
    true, counts = keras.layers.Input((None,), dtype="int32"), keras.layers.Input((None,), dtype="int32")
    model = transformer.model
    output = CrossEntropy(2)([true, counts, model.outputs[0]])
    trained = keras.Model([*model.inputs, true, counts], output)
    trained.compile(optimizer=keras.optimizers.Adam(rate))
    arrays, random, losses = [*inputs, ids, np.asarray(mask, "int32")], np.random.RandomState(0), []
    for _ in range(epochs):
        order = random.permutation(len(TEXTS))
        batches = [order[i : i + 2] for i in range(0, len(order), 2)]
        given = {"batch_size": 2, "shuffle": False, "verbose": 0}
        losses.append(np.mean([trained.fit([a[b] for a in arrays], **given).history["loss"][0] for b in batches]))
    return losses


@pytest.mark.parametrize("form", sorted(FORMS))
def test_training_is_the_one_of_the_long_script(folders, form):
    no_dropout = {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}
    generator = opened(folders, form, **no_dropout)
    history = generator.fit(TEXTS, TARGETS, batch_size=2, epochs=2, learning_rate=0.01, verbose=0)
    other = opened(folders, form, **no_dropout)
    want = long_script(other.transformer, other.tokenizer, form, 2, 0.01)
    np.testing.assert_allclose(history.history["loss"], want, rtol=1e-3)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_a_language_model_learns_texts_as_a_whole(folders):
    generator = opened(folders, "lm")
    data = {"validation_data": (["a cat sleeps"],)}
    history = generator.fit(["a cat sleeps"] * 4, batch_size=4, epochs=12, learning_rate=0.02, verbose=0, **data)
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    assert generator.predict(["a cat"], max_new_tokens=8) == [" sleeps"]


def test_a_stop_ends_the_answer(folders):
    generator = opened(folders, "lm")
    whole = generator.predict(["a cat"], max_new_tokens=8)[0]
    stop = whole[len(whole) // 2 :][:3]
    cut = whole[: whole.index(stop)]
    assert generator.predict(["a cat"], max_new_tokens=8, stop=stop) == [cut]
    assert "".join(generator.stream("a cat", max_new_tokens=8, stop=["no such", stop])) == cut


def test_texts_that_are_cut_are_counted(folders):
    generator = opened(folders, "lm")
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 27 tokens and were cut"):
        cut = generator.predict(["a dog " * 20 + "runs here", "a"], max_new_tokens=6)
    assert cut[0] == generator.predict([("a dog " * 20 + "runs here")[-len("a dog " * 12 + "runs here") :]], 6)[0]
    with pytest.raises(ConfigError, match="max_new_tokens=40 leaves no place for a text"):
        generator.predict(["a"], max_new_tokens=40)


def test_wrong_arguments(folders, tmp_path):
    generator = opened(folders, "lm")
    for call, message in [
        (lambda: TextGenerator.from_folder(folders["unilm"]), "does not predict the next token; if it was trained"),
        (lambda: opened(folders, "lm", application="unilm"), "application='unilm' is for encoders"),
        (lambda: opened(folders, "lm", end="[END]"), r"end: the vocabulary has no token '\[END\]'"),
        (lambda: generator.predict(["a"], max_new_tokens=4, top_k=5), "top_k=5 applies only to sampling"),
        (lambda: generator.predict(["a", 5]), r"texts\[1\] is int, expected str"),
        (lambda: generator.predict(["a"], stop=""), "an empty text would end every answer"),
        (lambda: generator.fit(["a"], ["b", "c"]), "1 texts and 2 targets"),
        (lambda: opened(folders, "answer").fit(["a"]), "each text needs a target"),
    ]:
        with pytest.raises(ConfigError, match=message):
            call()


def tokenizers(tmp_path):
    """Tokenizers whose text of tokens depends on the tokens beside them."""
    pieces = [("▁a", -1.0), ("▁", -2.0), ("b", -3.0), ("▁我", -3.0)]
    path = tmp_path / "bytes.model"
    path.write_bytes(build(pieces, {"byte_fallback": True}, specials=SPECIALS + BYTES))
    words = WORDS + ["3", "##5", "5", "-", "n", "ve", ",", "?"]
    return [Tokenizer({word: i for i, word in enumerate(words)}), SpTokenizer(str(path), None, None)]


def test_pieces_join_to_the_text(tmp_path):
    random = np.random.RandomState(0)
    for tokenizer in tokenizers(tmp_path):
        size, special = tokenizer._vocab_size, {0, 1, 2}
        likely = [*range(3, min(size, 40)), *(3 + byte for byte in "我🙂é".encode() if size > 200)]
        for _ in range(150):
            ids = [int(i) for i in random.choice(likely, random.randint(1, 14))]
            stop = ["t", "a b", "'s"][: random.randint(4)]
            stream = TextStream(tokenizer, [int(i) for i in random.choice(likely, 3)], special, stop)
            pieces = list(stream.pieces(iter(ids)))
            assert "".join(pieces) == stream.text(ids) and "" not in pieces
