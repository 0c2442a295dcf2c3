"""Conditional random field and maximum entropy Markov model against all paths, one by one."""

import itertools

import numpy as np
import pytest

from b4k3.backend import K, custom_objects, keras, ops
from b4k3.layers import ConditionalRandomField, Embedding, MaximumEntropyMarkovModel
from b4k3.snippets import ViterbiDecoder
from support.harness import call_with_unknown_sizes, compiled_call, evaluate, gradient, sees_values, whole_model_suffix
from support.layer_checks import check_layer

LABELS = 3
LENGTHS = (5, 3, 1, 0)  # of the rows of a batch


def new(cls, seed=0, **config):
    """A layer that is built, and its transitions in true scale, drawn anew."""
    layer = cls(name="layer", **config)
    layer(keras.Input((None, LABELS)))
    rng = np.random.RandomState(seed)
    layer.set_weights([rng.randn(*w.shape).astype("float32") for w in layer.get_weights()])
    true = [w * config.get("lr_multiplier", 1) for w in layer.get_weights()]
    return layer, (true[0] if len(true) == 1 else true[0] @ true[1].T).astype("float64")


def batch(seed=1, spread=1.0, n=LENGTHS[0]):
    """(labels [b, n], scores [b, n, labels]): padding has labels that do not exist, and -inf."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, LABELS, (len(LENGTHS), n)).astype("float32")
    scores = (spread * rng.randn(len(LENGTHS), n, LABELS)).astype("float32")
    for i, length in enumerate(LENGTHS):
        labels[i, length:] = -7
        scores[i, length:] = -np.inf
    return labels, scores


def stretches(scores):
    """The ranges of positions that padding does not part."""
    present = np.isfinite(scores).any(-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], present, [0]]).astype(int)))
    return list(zip(edges[::2], edges[1::2]))


def score(path, scores, trans):
    return sum(s[i] for s, i in zip(scores, path)) + sum(trans[i, j] for i, j in zip(path, path[1:]))


def all_paths(scores, trans):
    """[(path, score)]"""
    paths = itertools.product(range(LABELS), repeat=len(scores))
    return [(path, score(path, scores, trans)) for path in paths]


def crf_loss(labels, scores, trans):
    """One row: log Σ exp(score of a path) - score of the right one."""
    total = 0.0
    for a, b in stretches(scores):
        every = np.array([s for _, s in all_paths(scores[a:b].astype("float64"), trans)])
        total += every.max() + np.log(np.exp(every - every.max()).sum())
        total -= score(labels[a:b].astype(int), scores[a:b], trans)
    return total


def memm_logits(labels, scores, trans):
    """{(position, direction): logits} of one row."""
    out = {}
    for a, b in stretches(scores):
        for t in range(a, b):
            s = scores[t].astype("float64")
            out[t, "forwards"] = s if t == a else (s + trans[int(labels[t - 1])]) / 2
            out[t, "backwards"] = s if t == b - 1 else (s + trans[:, int(labels[t + 1])]) / 2
    return out


def memm_loss(labels, scores, trans):
    terms = []
    for y, s in zip(labels, scores):
        for (t, _), logits in memm_logits(y, s, trans).items():
            terms.append(np.log(np.exp(logits).sum()) - logits[int(y[t])])
    return np.mean(terms)


CASES = [
    (ConditionalRandomField, {"lr_multiplier": 100}, ["trans"]),
    (MaximumEntropyMarkovModel, {"lr_multiplier": 10}, ["trans"]),
    (MaximumEntropyMarkovModel, {"hidden_dim": 2, "lr_multiplier": 2}, ["l_trans", "r_trans"]),
]
cases = pytest.mark.parametrize("cls, config, weights", CASES, ids=lambda x: getattr(x, "__name__", str(x)))


@cases
def test_layer(cls, config, weights, tmp_path):
    def hide(values, arrays, masks):
        return arrays[0] if masks[0] is None else np.where(masks[0][..., None] > 0, arrays[0], -np.inf)

    check_layer(
        lambda: cls(name="layer", **config),
        lambda rng, b, n: [rng.randn(b, n, LABELS).astype("float32")],
        hide,
        weights=weights,
        masked=(0,),
        gradients=False,
        tmp=tmp_path,
    )


@cases
def test_transitions_in_true_scale(cls, config, weights):
    layer, trans = new(cls, **config)
    np.testing.assert_allclose(K.eval(layer.trans), trans, rtol=1e-5)
    fresh = cls(**config)
    fresh(keras.Input((None, 40)))
    limit = np.sqrt(6 / (40 + (config.get("hidden_dim") or 40))) / config.get("lr_multiplier", 1)
    assert all(0.9 * limit < abs(w).max() <= limit for w in fresh.get_weights())


def test_crf_loss():
    layer, trans = new(ConditionalRandomField, lr_multiplier=10)
    labels, scores = batch()
    expected = [crf_loss(y, s, trans) for y, s in zip(labels, scores)]
    assert expected[-1] == 0 and min(expected[:-1]) > 0.01
    np.testing.assert_allclose(evaluate(layer.sparse_loss(labels, scores)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(evaluate(layer.sparse_loss(labels[..., None], scores)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        call_with_unknown_sizes(layer.dense_loss, one_hot(labels), scores), expected, rtol=1e-5, atol=1e-5
    )


def one_hot(labels):
    return (labels[..., None] == np.arange(LABELS)).astype("float32")


def test_crf_loss_of_parted_sequences_and_forbidden_labels():
    layer, trans = new(ConditionalRandomField)
    labels, scores = batch()
    labels[0], labels[1] = [0, 1, 2, 2, 1], [2, 0, 0, 1, 2]
    scores[1] = scores[0, ::-1]
    scores[0, 2] = -np.inf  # two and two
    scores[1, 0] = -np.inf  # padding on the left
    scores[1, 3, 2] = -np.inf
    expected = [crf_loss(y, s, trans) for y, s in zip(labels, scores)]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(evaluate(layer.sparse_loss(labels, scores)), expected, rtol=1e-5, atol=1e-5)


def test_crf_loss_of_a_forbidden_transition():
    layer, trans = new(ConditionalRandomField)
    labels, scores = batch()
    labels[0], labels[1, :3] = [0, 1, 2, 2, 1], [0, 2, 0]
    trans[1, 0] = -np.inf
    layer.set_weights([trans.astype("float32")])
    expected = [crf_loss(y, s, trans) for y, s in zip(labels, scores)]
    np.testing.assert_allclose(evaluate(layer.sparse_loss(labels, scores)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_crf_loss_in_half_precision(dtype):
    """Scores in the hundreds: the partition is beyond float16, and 1 is lost beside it in bfloat16."""
    layer, trans = new(ConditionalRandomField)
    n = 60
    labels, scores = batch(spread=100.0, n=n)
    labels[0], scores[0] = np.arange(n) % LABELS, 300 + 100 * np.random.RandomState(5).randn(n, LABELS)
    y_pred = ops.cast(scores, dtype)
    scores = evaluate(ops.cast(y_pred, "float32")).astype("float64")
    # the forward algorithm, written for one row of floats
    expected = []
    for y, s in zip(labels.astype(int), scores):
        s = s[np.isfinite(s).all(-1)]
        alpha = s[0] if len(s) else np.zeros(1)
        for t in range(1, len(s)):
            alpha = np.logaddexp.reduce(alpha[:, None] + trans, axis=0) + s[t]
        expected.append(np.logaddexp.reduce(alpha) - score(y[: len(s)], s, trans))
    got = evaluate(layer.sparse_loss(labels, y_pred))
    assert got.dtype == "float32" and expected[0] > 100
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-3)


def test_gradients_of_the_crf_loss():
    """Of the scores: how probable a label is, minus one where it is right; 0 for padding."""
    layer, trans = new(ConditionalRandomField)
    labels, scores = batch()
    expected = np.zeros(scores.shape)
    for i, length in enumerate(LENGTHS):
        paths = all_paths(scores[i, :length], trans)
        total = sum(np.exp(s) for _, s in paths)
        for path, s in paths:
            expected[i, range(length), list(path)] += np.exp(s) / total
        expected[i, range(length), labels[i, :length].astype(int)] -= 1
    np.testing.assert_allclose(gradient(lambda x: layer.sparse_loss(labels, x), scores), expected, atol=1e-5)


@pytest.mark.parametrize("config", [{"lr_multiplier": 10}, {"hidden_dim": 2, "lr_multiplier": 2}], ids=str)
def test_memm_loss(config):
    layer, trans = new(MaximumEntropyMarkovModel, **config)
    labels, scores = batch()
    expected = memm_loss(labels, scores, trans)
    np.testing.assert_allclose(evaluate(layer.sparse_loss(labels, scores)), expected, rtol=1e-5)
    np.testing.assert_allclose(call_with_unknown_sizes(layer.dense_loss, one_hot(labels), scores), expected, rtol=1e-5)


def test_gradients_of_the_memm_loss_are_finite_and_zero_for_padding():
    layer, _ = new(MaximumEntropyMarkovModel)
    labels, scores = batch()
    found = gradient(lambda x: layer.sparse_loss(labels, x), scores)
    present = np.isfinite(scores)
    assert np.isfinite(found).all() and (found[~present] == 0).all() and (np.abs(found[present]) > 1e-6).all()


@pytest.mark.parametrize("cls", [ConditionalRandomField, MaximumEntropyMarkovModel])
def test_accuracy_looks_at_scores_alone(cls):
    layer, _ = new(cls)
    labels, scores = batch()
    real = labels >= 0
    expected = (labels == scores.argmax(-1))[real].mean()
    assert 0 < expected < 1
    np.testing.assert_allclose(evaluate(layer.sparse_accuracy(labels, scores)), expected, rtol=1e-6)
    np.testing.assert_allclose(evaluate(layer.dense_accuracy(one_hot(labels), scores)), expected, rtol=1e-6)


def test_the_best_path():
    layer, trans = new(ConditionalRandomField, lr_multiplier=10)
    _, scores = batch(spread=10.0)
    decoder = ViterbiDecoder(K.eval(layer.trans))
    for length, s in zip(LENGTHS[:-1], scores):
        best, _ = max(all_paths(s[:length], trans), key=lambda x: x[1])
        assert decoder.decode(s[:length]).tolist() == list(best)


def chains(rng, count, n=6):
    """Tokens of which only the first one tells a label; each label is the one before plus one. 0 is padding."""
    first = rng.randint(0, LABELS, count)
    tokens = np.full((count, n), LABELS + 1)
    tokens[:, 0] = first + 1
    labels = (first[:, None] + np.arange(n)) % LABELS
    tokens[: count // 2, n - 2 :] = 0
    return tokens, labels


SUFFIX = whole_model_suffix()


@pytest.mark.parametrize(
    "cls, config, kind",
    [(ConditionalRandomField, {"lr_multiplier": 3}, "sparse"), (MaximumEntropyMarkovModel, {"hidden_dim": 3}, "dense")],
    ids=["crf", "memm"],
)
def test_training_saving_and_loading(cls, config, kind, tmp_path):
    """Only transitions can tell the labels after the first. Weights and order are the same in every run."""
    x = keras.Input((None,), dtype="int32")
    layer = cls(name="chain", **config)
    scores = keras.layers.Dense(LABELS)(Embedding(LABELS + 2, 8, mask_zero=True)(x))
    model = keras.Model(x, layer(scores))
    rng = np.random.RandomState(0)
    model.set_weights([rng.normal(0, 0.3, size=np.shape(w)) for w in model.get_weights()])
    tokens, labels = chains(rng, 32)
    y = labels if kind == "sparse" else one_hot(labels.astype("float32"))

    def compile(model, layer):
        model.compile(
            optimizer=keras.optimizers.Adam(0.05),
            loss=getattr(layer, kind + "_loss"),
            metrics=[getattr(layer, kind + "_accuracy")],
        )

    compile(model, layer)
    before = K.eval(layer.trans)
    history = model.fit(tokens, y, epochs=20, batch_size=16, shuffle=False, verbose=0).history
    accuracy = history[kind + "_accuracy"]
    assert history["loss"][-1] < 0.5 * history["loss"][0] and 0 < accuracy[-1] <= 1
    assert np.abs(K.eval(layer.trans) - before).max() > 0.1
    answer = model.predict_on_batch(tokens)
    decoder = ViterbiDecoder(K.eval(layer.trans))
    assert [decoder.decode(s[t > 0]).tolist() for s, t in zip(np.asarray(answer), tokens)] == [
        y[t > 0].tolist() for y, t in zip(labels, tokens)
    ]

    path = str(tmp_path / ("tagger" + SUFFIX))
    model.save(path)
    loaded = keras.models.load_model(path, custom_objects=dict(custom_objects), compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(tokens), answer, rtol=1e-6)
    np.testing.assert_allclose(K.eval(loaded.get_layer("chain").trans), decoder.trans, rtol=1e-6)
    compile(loaded, loaded.get_layer("chain"))
    assert loaded.test_on_batch(tokens, y)[0] < 0.5 * history["loss"][0]


@pytest.mark.parametrize("wrong", [-1, LABELS, 0.5, np.nan])
def test_labels_that_there_are_not(wrong):
    """They are no other label: an error where they are seen, else a loss of NaN for their row, and never accurate."""
    labels, scores = batch()
    labels[1, 2] = wrong
    layer, _ = new(ConditionalRandomField)
    got = compiled_call(layer.sparse_loss, labels, scores)
    assert np.isnan(got).tolist() == [False, True, False, False]
    scores[1, 2] = [9, 0, 0]  # the label that a wrong one would be taken for
    right = labels.copy()
    right[1, 2] = 0
    lost = compiled_call(layer.sparse_accuracy, right, scores) - compiled_call(layer.sparse_accuracy, labels, scores)
    np.testing.assert_allclose(lost, 1 / sum(LENGTHS), rtol=1e-5)
    other, _ = new(MaximumEntropyMarkovModel)
    assert np.isnan(compiled_call(other.sparse_loss, labels, scores))
    if sees_values():
        for each in (layer, other):
            with pytest.raises(ValueError, match=r"y_true: id .* at \[1, 2\], expected whole numbers from 0 to 2"):
                each.sparse_loss(labels, scores)
