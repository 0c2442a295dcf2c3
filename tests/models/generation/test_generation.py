"""`generate` on whole models: the tokens of the golden systems, and that the cache changes nothing."""

import numpy as np
import pytest

from b4k3.backend import compiled, keras, row, runs_eagerly
from b4k3.layers import PaddedPositionEmbedding, TaskEmbedding
from b4k3.models import BERT, ConfigError, build_transformer_model
from b4k3.models.generation.network import Network
from support import decoding_tables as tables, goldens
from support.harness import dtype_policy
from support.small_models import SMALL

CASES = [case for case in goldens.cases() if "generate" in case]


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


def padded(rows, dtype="int32"):
    out = np.zeros((len(rows), max(map(len, rows))), dtype=dtype)
    for i, values in enumerate(rows):
        out[i, : len(values)] = values
    return out


def request_of(case):
    """(ids, keyword arguments) of a golden case."""
    z, g = goldens.arrays(case), case["generate"]
    arguments = {"max_new_tokens": g["maxlen"], "end_id": g["end_id"]}
    if g["kind"] == "seq2seq":
        return z[g["prompts"]] * z[g["prompt_mask"]], arguments
    if g["segments"] == "prompt":
        segments = [z[name.replace("prompt_", "prompt_segment_")] for name in g["prompts"]]
        arguments["segment_ids"] = padded(segments)
    return padded([z[name] for name in g["prompts"]]), arguments


def expected(case, beams):
    """For each prompt its tokens, or None where the pad id was generated, which masks itself in bert4keras."""
    z, g = goldens.arrays(case), case["generate"]
    entry = g["expected"][str(beams)]
    skipped = z[entry["key"] + "__has_pad"] if entry["key"] + "__has_pad" in z else np.zeros(99, dtype=bool)
    rows = []
    for i, tokens in enumerate(z[entry["key"]]):
        tokens = [int(t) for t in tokens if t >= 0]
        if entry.get("has_prompt"):
            tokens = tokens[len(z[g["prompts"][i]]) :]
        tokens = tokens[0 if g["start_id"] is None else 1 :]
        if g["end_id"] in tokens:
            tokens = tokens[: tokens.index(g["end_id"]) + 1]
        rows.append(None if skipped[i] else tokens)
    return rows


@pytest.mark.parametrize("case", CASES, ids=[f"{case['system']}-{case['case']}" for case in CASES])
def test_tokens_of_the_original_code(case):
    ids, arguments = request_of(case)
    for beams in (1, 4):
        got = goldens.built(case).generate(ids, num_beams=beams, **arguments)
        for tokens, want in zip(got.tolist(), expected(case, beams)):
            if want is not None:
                assert tokens == want + [0] * (len(tokens) - len(want))
    goldens.forget()


KINDS = {
    "bert": {"model": "bert", "application": "lm", "custom_position_ids": True},
    "realformer": {"model": "bert", "application": "unilm", "residual_attention_scores": True, "with_pool": True},
    "nezha": {"model": "nezha", "application": "unilm", "max_relative_position": 3, "prefix": "a-"},
    "roformer": {"model": "roformer", "application": "lm"},
    "gau": {"model": "gau", "application": "lm", "hidden_act": "swish", "attention_key_size": 8},
    "t5_pegasus": {"model": "t5_pegasus", "relative_attention_num_buckets": 8, "relative_attention_max_distance": 6},
}
PROMPTS = np.array([[2, 5, 7, 11, 3], [4, 3, 0, 0, 0], [6, 9, 12, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0]])
NEW = 9


def build(kind):
    config = dict(SMALL, **KINDS[kind])
    if config["model"].startswith(("t5", "mt5")):
        del config["max_position"]
    transformer = build_transformer_model(return_keras_model=False, **config)
    generator = np.random.RandomState(1)
    for layer in transformer.model.layers:  # weights large enough for differences to show
        if layer.trainable:
            weights = [w * (w.ndim == 1) + generator.normal(size=w.shape) * 0.3 for w in layer.get_weights()]
            layer.set_weights([without_id_0(layer.name, w) for w in weights])
    return transformer


def without_id_0(name, w):
    """Generated, it would be padding to the Keras model: its logit is made a small one."""
    w = np.array(w)
    if name.endswith("Embedding-Token"):
        w[0] = 0
    elif name.endswith("Output-LM"):
        w[:, 0] = 0
    return w


def uncached(transformer, tokens):
    """The log-probabilities of the generated tokens, [batch, new tokens, vocabulary], by the Keras model in one run
    for each row: the slow way, in which nothing is padded."""
    out = []
    for i, new in enumerate(tokens):
        prompt = np.trim_zeros(PROMPTS[i], "b")
        if hasattr(transformer, "_encoder"):
            inputs = [prompt[None], np.concatenate([[0], new[:-1]])[None]]
        else:
            inputs = decoder_inputs(transformer, i, prompt, new)
        probabilities = goldens.predict(transformer.model, inputs)[-1][0, -len(new) :]
        out.append(np.log(probabilities))
    return np.array(out)


def decoder_inputs(transformer, i, prompt, new):
    ids = np.concatenate([prompt, new[:-1]])
    inputs = [ids]
    if getattr(transformer, "segment_vocab_size", 0):
        segments = SEGMENTS[i][: len(prompt)]
        last = getattr(transformer, "generated_segment", segments[-1])
        inputs.append(np.concatenate([segments, np.full(len(new) - 1, last)]))
    if getattr(transformer, "custom_position_ids", False):
        inputs.append(np.arange(len(ids)))
    return [x[None] for x in inputs]


def cached(transformer, tokens):
    """The same by `Network`, for the whole batch, one token at a time."""
    network, has_segments = Network(transformer), getattr(transformer, "segment_vocab_size", 0)
    number = int if runs_eagerly else np.int32
    rows = np.arange(len(PROMPTS))
    lengths = (PROMPTS > 0).sum(1)
    ids, segments = PROMPTS, SEGMENTS * bool(has_segments)
    new_segments = segments[rows, lengths - 1]
    if has_segments and hasattr(transformer, "generated_segment"):
        new_segments = np.full(len(rows), transformer.generated_segment)
    arguments = {"ids": ids, "segments": segments, "lengths": lengths}
    if network.encoder is not None:
        arguments = {"source": ids, "ids": rows[:, None] * 0, "segments": rows[:, None] * 0, "lengths": rows * 0 + 1}

    def prefill(inputs):
        context = network.encode(inputs["source"]) if "source" in inputs else ()
        logits, fixed, own = network.prefill(inputs["ids"], inputs["segments"], inputs["lengths"], NEW, *context)
        return {"logits": logits, "fixed": fixed, "own": own}

    def step(own, newest, fixed, count):
        logits, own = network.step(newest, as_tensor(new_segments), count, own, fixed, NEW)
        return {"logits": logits, "own": own}

    prefill, step = compiled(prefill, network.variables), compiled(step, network.variables)
    state = prefill({key: as_tensor(value) for key, value in arguments.items()})
    fixed, logits = state["fixed"], [state["logits"]]
    for count in range(1, NEW):
        state = step(state["own"], as_tensor(tokens[:, count - 1]), fixed, number(count))
        logits.append(state["logits"])
    logits = np.stack([goldens_numpy(x) for x in logits], axis=1)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def as_tensor(x):
    from b4k3.backend import ops

    x = np.asarray(x, dtype="int32")
    return ops.convert_to_tensor(x) if runs_eagerly else x


def goldens_numpy(x):
    from b4k3.backend import ops

    return np.asarray(ops.convert_to_numpy(x), dtype="float64")


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_cache_changes_nothing(kind):
    transformer = build(kind)
    segments = {"segment_ids": SEGMENTS} if getattr(transformer, "segment_vocab_size", 0) else {}
    tokens, scores = transformer.generate(PROMPTS, NEW, return_scores=True, **segments)
    assert tokens.shape == (3, NEW) and (tokens > 0).all()
    slow = uncached(transformer, tokens)
    np.testing.assert_array_equal(tokens, slow.argmax(-1))
    np.testing.assert_allclose(scores, slow.max(-1).sum(-1), atol=1e-4)
    np.testing.assert_allclose(cached(transformer, tokens), slow, atol=1e-5)
    goldens.forget()


PADDED = {
    "bert": {"model": "bert", "application": "lm", "with_mlm": "linear"},
    "gpt2": {"model": "gpt2"},
    "t5_1_0": {"model": "t5", "relative_attention_num_buckets": 8},
}
DECODINGS = [
    {},
    {"num_beams": 3},
    {"num_beams": 3, "length_penalty": 1.0, "num_return_sequences": 2, "repetition_penalty": 1.3},
]


def swapped(ids):
    """The ids with 0 and 1 exchanged."""
    return np.where(ids < 2, 1 - ids, ids)


def padded_pair(kind):
    """A network whose padding is 0, and the same one with the ids 0 and 1 exchanged."""
    config = dict(SMALL, return_keras_model=False, **PADDED[kind])
    if kind.startswith("t5"):
        del config["max_position"]
    first, second = build_transformer_model(**config), build_transformer_model(**dict(config, pad_token_id=1))
    generator = np.random.RandomState(3)
    for name, layer in first.layers.items():
        if not hasattr(layer, "get_weights") or not layer.get_weights():
            continue
        weights = [0.5 * generator.normal(size=w.shape) + ("Norm" in name) for w in layer.get_weights()]
        layer.set_weights(weights)
        exchanged = list(range(SMALL["vocab_size"]))
        exchanged[:2] = 1, 0
        rows = [[exchanged if n == SMALL["vocab_size"] else list(range(n)) for n in w.shape] for w in weights]
        second.layers[name].set_weights([w[np.ix_(*index)] for w, index in zip(weights, rows)])
    return first, second


@pytest.mark.parametrize("kind", list(PADDED))
def test_another_padding_id(kind):
    """A prompt may begin with the padding id, and have it inside; what follows an end id is the padding id."""
    prompts = np.array([[2, 5, 1, 11, 3], [4, 3, 0, 0, 0], [0, 9, 12, 0, 0], [6, 0, 1, 1, 0], [1, 0, 0, 0, 0]])
    first, second = padded_pair(kind)
    assert (first.pad_token_id, second.pad_token_id) == (0, 1)
    free = first.generate(prompts, NEW)
    end = int(next(token for token in free[0, 2:] if token > 1))
    for options in DECODINGS:
        want = first.generate(prompts, NEW, end_id=end, **options)
        got = second.generate(swapped(prompts), NEW, end_id=end, **options)
        assert got.tolist() == swapped(want).tolist()
        fills = [tokens[tokens.index(end) + 1 :] for tokens in got.tolist() if end in tokens]
        assert fills and all(set(fill) <= {1} for fill in fills)
        for i, prompt in enumerate(swapped(prompts)):
            prompt = prompt[: max(np.flatnonzero(prompt != 1).max(initial=0) + 1, 1)]
            alone = second.generate(prompt[None], NEW, end_id=end, **options)
            n = len(alone)
            assert alone.tolist() == got[i * n : i * n + n, : alone.shape[1]].tolist()
    steps = np.stack(list(second.generate(swapped(prompts), NEW, end_id=end, stream=True)), axis=1)
    assert steps.tolist() == swapped(first.generate(prompts, NEW, end_id=end)).tolist()
    goldens.forget()


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_model_itself_masks_another_padding_id(kind):
    _, second = padded_pair(kind)
    prompts = np.array([[2, 5, 7, 11, 3], [4, 3, 1, 1, 1], [1, 9, 12, 1, 1]])
    inputs = [prompts, 0 * prompts][: len(second.inputs)]
    scores = goldens.predict(second.model, inputs)[-1]
    assert second.generate(prompts, 1)[:, 0].tolist() == [scores[i, n].argmax() for i, n in enumerate([4, 1, 2])]
    goldens.forget()


class WithPaddedPositions(BERT):
    """A BERT that counts its positions as RoBERTa does, with a vector for the task of each sequence."""

    def embed_tokens(self, inputs):
        self.ids = inputs[0]
        return super().embed_tokens(inputs)

    def embed_positions(self, x, position_ids):
        x = self.apply(x, TaskEmbedding, input_dim=3, output_dim=self.embedding_size, task_id=2, name="Embedding-Task")
        return self.apply(
            [x, self.ids],
            PaddedPositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            padding_id=self.pad_token_id,
            name="Embedding-Position",
        )


# name -> (what to build, number of positions that its 32 rows are)
LATE_STARTERS = {
    "a class of the user": ({"model": WithPaddedPositions, "pad_token_id": 1, "segment_vocab_size": 0}, 30),
    "roberta": ({"model": "roberta", "model_type": "roberta", "segment_vocab_size": 1}, 30),
    "ernie": ({"model": "ernie", "use_task_id": True, "pad_token_id": 1}, 32),
    "distilbert": ({"model": "distilbert", "pad_token_id": 1}, 32),
    "mpnet": ({"model": "mpnet"}, 30),
}


@pytest.mark.parametrize("name", list(LATE_STARTERS))
def test_padded_positions_and_tasks(name):
    """Generation against the model in one run on the prompt and all tokens that followed."""
    options, positions = LATE_STARTERS[name]
    config = dict(SMALL, application="lm", with_mlm="linear", **options)
    transformer = build_transformer_model(return_keras_model=False, **config)
    assert transformer.pad_token_id == 1
    generator = np.random.RandomState(2)
    for layer in transformer.model.layers:
        layer.set_weights([w + generator.normal(size=w.shape) * 0.4 for w in layer.get_weights()])
    bias = transformer.layers["MLM-Bias"]
    bias.set_weights([w - 99 * (np.arange(len(w)) == 1) for w in bias.get_weights()])  # never the padding
    prompts = np.array([[2, 5, 7, 11, 3], [4, 3, 1, 1, 1], [6, 9, 12, 1, 1]])
    tokens, sums = transformer.generate(prompts, NEW, return_scores=True)
    for prompt, new, total in zip(prompts, tokens, sums):
        ids = np.concatenate([prompt[prompt != 1], new])[None]
        inputs = [ids, 0 * ids][: len(transformer.inputs)]
        logits = goldens.predict(transformer.model, inputs)[0][0, -NEW - 1 : -1]
        assert logits.argmax(-1).tolist() == new.tolist()
        np.testing.assert_allclose(tables.log_softmax(logits).max(-1).sum(), total, atol=1e-3)
    with pytest.raises(ConfigError, match=f"the model has {positions} positions"):
        transformer.generate(prompts, positions - 3)
    goldens.forget()


@pytest.mark.parametrize("start", [None, 7])
def test_where_the_decoder_starts(start):
    """At the decoder's own start id, else at the padding id."""
    _, second = padded_pair("t5_1_0")
    prompts = np.array([[2, 5, 7, 11, 3], [4, 3, 1, 1, 1]])
    want = second.generate(prompts, NEW, start_id=1 if start is None else start)
    second._decoder.decoder_start_token_id = start
    assert second.generate(prompts, NEW).tolist() == want.tolist()
    assert second.generate(prompts, NEW, start_id=9).tolist() != want.tolist()
    goldens.forget()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["roformer", "t5_pegasus"])
def test_half_precision(kind, policy):
    """Scores are summed in float32, and are those of the uncached model but for its rounding."""
    with dtype_policy(policy) as there:
        if not there:
            assert not row.is_keras3
            return
        transformer = build(kind)
    segments = {"segment_ids": SEGMENTS} if getattr(transformer, "segment_vocab_size", 0) else {}
    tokens, scores = transformer.generate(PROMPTS, NEW, return_scores=True, **segments)
    assert scores.dtype == np.float32 and (tokens > 0).all()
    slow = np.take_along_axis(uncached(transformer, tokens), tokens[..., None], axis=-1).sum((1, 2))
    np.testing.assert_allclose(scores, slow, atol=0.05 * NEW)
    goldens.forget()


def test_training_is_seen_and_the_model_is_left_as_it_was():
    transformer = build("roformer")
    before = transformer.generate(PROMPTS, NEW, segment_ids=SEGMENTS)
    inputs = [np.concatenate([PROMPTS, before], axis=1), np.zeros((3, 5 + NEW))]
    output = goldens.predict(transformer.model, inputs)[0]
    if row.backend == "numpy":  # which cannot train
        layer = transformer.layers["MLM-Dense"]
        layer.set_weights([np.roll(w, 1, axis=0) for w in layer.get_weights()])
    else:
        transformer.model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(0.1))
        transformer.model.train_on_batch(inputs, np.random.RandomState(0).randint(4, 20, size=(3, 5 + NEW, 1)))
    assert np.abs(goldens.predict(transformer.model, inputs)[0] - output).max() > 1e-3
    after = transformer.generate(PROMPTS, NEW, segment_ids=SEGMENTS)
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, uncached(transformer, after).argmax(-1))
    goldens.forget()


SEGMENT_IDS = [9, -1, 0.5, float("nan"), 2**32, 1e20]


def test_segments_and_starts_that_there_are_not():
    transformer = build_transformer_model(return_keras_model=False, **dict(SMALL, model="bert", application="lm"))
    for wrong in SEGMENT_IDS:
        segments = np.zeros(PROMPTS.shape)
        segments[1, 2] = wrong
        with pytest.raises(ConfigError, match=r"segment_ids: id .* at \[1, 2\], expected whole numbers from 0 to 1"):
            transformer.generate(PROMPTS, 2, segment_ids=segments)
    with pytest.raises(ConfigError, match="start_id=20, expected a whole number from 0 to 19"):
        transformer.generate(PROMPTS, 2, start_id=20)
    transformer.generated_segment = 2
    with pytest.raises(ConfigError, match="generated_segment=2, expected a whole number from 0 to 1"):
        transformer.generate(PROMPTS, 2)
    shared = build_transformer_model(
        return_keras_model=False, **dict(SMALL, model="bert", application="lm", shared_segment_embeddings=True)
    )
    assert shared.generate(PROMPTS, 2, segment_ids=np.full(PROMPTS.shape, 19)).shape == (3, 2)
    with pytest.raises(ConfigError, match="from 0 to 19"):
        shared.generate(PROMPTS, 2, segment_ids=np.full(PROMPTS.shape, 20))
    goldens.forget()


def test_the_decoder_starts_within_its_vocabulary():
    _, second = padded_pair("t5_1_0")
    with pytest.raises(ConfigError, match="start_id=200, expected"):
        second.generate(np.array([[2, 5]]), 2, start_id=200)
    second._decoder.decoder_start_token_id = 10**9
    with pytest.raises(ConfigError, match="decoder_start_token_id=1000000000, expected"):
        second.generate(np.array([[2, 5]]), 2)
    goldens.forget()


def test_what_cannot_generate_says_so():
    for kwargs, message in (
        ({"model": "bert", "with_mlm": True}, "application='lm'"),
        ({"model": "bert"}, "does not predict the next token"),
    ):
        transformer = build_transformer_model(return_keras_model=False, **dict(SMALL, **kwargs))
        with pytest.raises(ConfigError, match=message):
            transformer.generate(PROMPTS, 2)
    transformer = build_transformer_model(return_keras_model=False, **dict(SMALL, model="bert", application="lm"))
    with pytest.raises(ConfigError, match="the model has 32 positions"):
        transformer.generate(PROMPTS, 29)
    goldens.forget()
