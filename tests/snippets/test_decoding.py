import collections
import itertools

import numpy as np
import pytest

from b4k3.snippets import AutoRegressiveDecoder, softmax

END = 0


def markov(seed=0, size=5):
    """Logits of the next id after each id; the end is likely enough."""
    logits = np.random.RandomState(seed).randn(size + 1, size) * 2
    logits[:, END] += 1
    return logits


class Chain(AutoRegressiveDecoder):
    """The next id depends on the last one and on one input, a number that is added to the last id."""

    logits = markov()
    growth = 0  # makes the position matter, or paths with the same transitions in another order are equally good

    def rows(self, inputs, output_ids):
        assert len(inputs[0]) == len(output_ids)
        last = output_ids[:, -1] if output_ids.shape[1] else np.full(len(output_ids), len(self.logits) - 1)
        return self.logits[(last + inputs[0]) % len(self.logits)] * (1 + self.growth * output_ids.shape[1])

    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        return self.rows(inputs, output_ids)


class ProbaChain(Chain):
    @AutoRegressiveDecoder.wraps()
    def predict(self, inputs, output_ids, states):
        return softmax(self.rows(inputs, output_ids))


def beam_slowly(decoder, shift, topk, temperature=1, min_ends=1):
    """The search in plain lists."""

    def log_probas(ids):
        last = ids[-1] if ids else len(decoder.logits) - 1
        x = decoder.logits[(last + shift) % len(decoder.logits)] * (1 + decoder.growth * len(ids)) / temperature
        return x - np.log(np.exp(x).sum())

    beams = [(0.0, [] if decoder.start_id is None else [decoder.start_id])]
    for _ in range(decoder.maxlen):
        longer = [(score + s, ids + [i]) for score, ids in beams for i, s in enumerate(log_probas(ids))]
        beams = sorted(longer, key=lambda beam: -beam[0])[:topk]
        if len(beams[0][1]) >= decoder.minlen:
            done = [ids[-1] == END and ids.count(END) >= min_ends for _, ids in beams]
            if done[0]:
                break
            beams = [beam for beam, d in zip(beams, done) if not d]
            topk -= sum(done)
    return beams[0][1]


@pytest.mark.parametrize("start_id", [None, 3])
@pytest.mark.parametrize("topk", [1, 3, 40])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.3}, {"temperature": 4.0, "min_ends": 2}])
def test_beam_search_is_the_slow_one(start_id, topk, options):
    for seed, minlen in itertools.product(range(6), (1, 4)):
        for kind in (Chain, ProbaChain):
            decoder = kind(start_id, END, maxlen=8, minlen=minlen)
            decoder.logits, decoder.growth = markov(seed), 0.1
            for shift in (0, 1):
                found = decoder.beam_search([shift], topk, **options)
                assert found.tolist() == beam_slowly(decoder, shift, topk, **options)


def test_a_wide_beam_finds_the_best_of_all_sequences():
    class OnlyAtTheEnd(Chain):
        """The end has no chance before the fourth id and is certain there."""

        @AutoRegressiveDecoder.wraps(default_rtype="logits")
        def predict(self, inputs, output_ids, states):
            scores = np.array(self.rows(inputs, output_ids))
            scores[:, END] = -np.inf
            if output_ids.shape[1] == 3:
                scores[:] = -np.inf
                scores[:, END] = 0
            return scores

    for seed in range(5):
        decoder = OnlyAtTheEnd(None, END, maxlen=10)
        decoder.logits = markov(seed)

        def score(ids, logits=decoder.logits):
            rows = [logits[i][1:] for i in (5,) + ids[:-1]]
            return sum(row[i - 1] - np.log(np.exp(row).sum()) for row, i in zip(rows, ids))

        best = max(itertools.product(range(1, 5), repeat=3), key=score)
        assert decoder.beam_search([0], topk=4**3).tolist() == list(best) + [END]


def test_impossible_candidates_do_not_take_places():
    class Forced(AutoRegressiveDecoder):
        """Two ids possible at first; only the worse one can end."""

        @AutoRegressiveDecoder.wraps()
        def predict(self, inputs, output_ids, states):
            if not output_ids.shape[1]:
                return np.array([[0, 0.6, 0.4, 0, 0]])
            return np.array([[0, 0.1, 0.2, 0.3, 0.4] if last == 1 else [1.0, 0, 0, 0, 0] for last in output_ids[:, -1]])

    assert Forced(None, END, maxlen=5).beam_search([], topk=3).tolist() == [2, END]


@pytest.mark.parametrize("search", ["beam", "sample"])
def test_states_follow_their_candidates(search):
    class Remembering(Chain):
        @AutoRegressiveDecoder.wraps(default_rtype="logits", use_states=True)
        def predict(self, inputs, output_ids, states):
            assert states["fixed"] is fixed and states["name"] == "x"
            for seen in states["seen"]:
                np.testing.assert_array_equal(seen, output_ids[:, : seen.shape[1]])
            states = dict(states, seen=states["seen"] + (output_ids.copy(),))
            return self.rows(inputs, output_ids), states

    fixed = np.zeros((77, 2))
    states = {"fixed": fixed, "name": "x", "seen": ()}
    np.random.seed(0)
    for seed in range(5):
        decoder = Remembering(None, END, maxlen=8)
        decoder.logits = markov(seed)
        if search == "beam":
            wanted = beam_slowly(decoder, 0, 4)
            assert decoder.beam_search([0], 4, states=states).tolist() == wanted
        else:
            assert len(decoder.random_sample([0], 7, states=states)) == 7
    assert states["seen"] == ()


def test_samples_have_the_distribution_of_the_chain():
    np.random.seed(1)
    decoder = Chain(None, END, maxlen=2)
    n = 20000
    for temperature in (1, 0.5):
        counts = collections.Counter(tuple(ids) for ids in decoder.random_sample([0], n, temperature=temperature))
        p = softmax(decoder.logits / temperature)
        wanted = {(END,): p[5, END]}
        wanted.update({(i, j): p[5, i] * p[i, j] for i in range(1, 5) for j in range(5)})
        assert abs(sum(wanted.values()) - 1) < 1e-9 and set(counts) <= set(wanted)
        for ids, proba in wanted.items():
            assert abs(counts[ids] / n - proba) < 5 * np.sqrt(proba * (1 - proba) / n) + 1e-4


@pytest.mark.parametrize(
    "topk, topp, allowed", [(2, None, {2, 3}), (None, 0.75, {2, 3}), (None, 0.4, {3}), (3, 0.9, {2, 3, 1})]
)
def test_samples_among_the_most_probable(topk, topp, allowed):
    class Fixed(AutoRegressiveDecoder):
        @AutoRegressiveDecoder.wraps()
        def predict(self, inputs, output_ids, states):
            return np.repeat([[0.05, 0.1, 0.3, 0.5, 0.05]], len(output_ids), axis=0)

    np.random.seed(0)
    samples = Fixed(None, END, maxlen=1).random_sample([], 2000, topk=topk, topp=topp)
    counts = collections.Counter(int(ids[0]) for ids in samples)
    assert set(counts) == allowed
    p = {1: 0.1, 2: 0.3, 3: 0.5}
    for i in allowed:
        assert abs(counts[i] / 2000.0 - p[i] / sum(p[j] for j in allowed)) < 0.06


def test_samples_end_and_keep_the_start():
    np.random.seed(0)
    samples = Chain(3, END, maxlen=6, minlen=3).random_sample([0], 50, min_ends=2)
    assert len(samples) == 50
    for ids in samples:
        ends = np.flatnonzero(ids == END)
        assert ids[0] == 3 and len(ids) <= 7
        assert len(ids) == 7 or (len(ends) >= 2 and ends[-1] == len(ids) - 1 and len(ids) >= 3)


def test_rtype_and_temperature_of_predict():
    decoder = Chain(None, END, maxlen=2)
    ids = np.array([[1], [2]])
    inputs = [np.zeros(2, dtype=int)]
    for kind in (Chain, ProbaChain):
        decoder = kind(None, END, maxlen=2)
        for temperature in (1, 0.5, 3):
            wanted = softmax(Chain.logits[[1, 2]] / temperature)
            probas, states = decoder.predict(inputs, ids, None, temperature, "probas")
            logits, _ = decoder.predict(inputs, ids, None, temperature, rtype="logits")
            np.testing.assert_allclose(probas, wanted, rtol=1e-9)
            np.testing.assert_allclose(logits, np.log(wanted), rtol=1e-9)
            assert states is None


@pytest.mark.parametrize(
    "scores, message",
    [
        (np.zeros((1, 3, 5)), "last_token"),
        (np.zeros((2, 5)), r"expected \[1, vocabulary\]"),
        (np.full((1, 5), np.nan), "NaN"),
    ],
)
def test_wrong_predictions(scores, message):
    class Wrong(AutoRegressiveDecoder):
        @AutoRegressiveDecoder.wraps()
        def predict(self, inputs, output_ids, states):
            return scores

    for search in (lambda d: d.beam_search([], 2), lambda d: d.random_sample([], 2)):
        with pytest.raises(ValueError, match=message):
            search(Wrong(None, END, 3))


NAN = float("nan")
WRONG_IDS = [-1, 1.0, 2.5, NAN, True, "2", [2]]


@pytest.mark.parametrize("wrong", WRONG_IDS, ids=str)
@pytest.mark.parametrize("name", ["start_id", "end_id", "maxlen", "minlen"])
def test_ids_and_lengths_are_whole_numbers(name, wrong):
    with pytest.raises(ValueError, match=f"{name}=.*expected a whole number, 0 or more"):
        Chain(**dict({"start_id": None, "end_id": END, "maxlen": 3}, **{name: wrong}))


def test_an_end_that_the_model_does_not_know():
    for search in (lambda d: d.beam_search([0], 2), lambda d: d.random_sample([0], 2)):
        with pytest.raises(ValueError, match="end_id=5, but predict gives scores of the ids 0 to 4"):
            search(Chain(None, 5, 3))
        assert len(np.atleast_2d(search(Chain(None, None, 3)))[0]) == 3  # no end at all is allowed


@pytest.mark.parametrize("temperature", [0, -1, NAN, float("inf"), "1", True, None])
def test_temperatures_are_numbers(temperature):
    with pytest.raises(ValueError, match="temperature=.*expected a number above 0"):
        Chain(None, END, 3).beam_search([0], 2, temperature=temperature)


@pytest.mark.parametrize("temperature", [1e-38, 1e-300, 5e-324])
@pytest.mark.parametrize("cls", [Chain, ProbaChain])
def test_a_temperature_near_0_gives_the_best_ids(cls, temperature):
    decoder = cls(None, END, 6)
    want = decoder.beam_search([1], 1).tolist()
    assert decoder.beam_search([1], 1, temperature=temperature).tolist() == want
    assert [ids.tolist() for ids in decoder.random_sample([1], 3, temperature=temperature)] == [want] * 3


@pytest.mark.parametrize("options", [{"topk": 0}, {"topk": 1.5}, {"topp": 0}, {"topp": NAN}, {"topp": True}, {"n": 0}])
def test_counts_and_shares_of_sampling(options):
    with pytest.raises(ValueError, match="=.*expected a"):
        Chain(None, END, 3).random_sample([0], **dict({"n": 2}, **options))
    if "topk" in options:
        with pytest.raises(ValueError, match="topk=.*expected a whole number, 1 or more"):
            Chain(None, END, 3).beam_search([0], **options)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="expected 'probas' or 'logits'"):
        AutoRegressiveDecoder.wraps("probs")
    with pytest.raises(ValueError, match="temperature=0"):
        Chain(None, END, 3).beam_search([0], 2, temperature=0)
    with pytest.raises(NotImplementedError, match="AutoRegressiveDecoder.predict"):
        AutoRegressiveDecoder(None, END, 3).beam_search([0], 2)


def test_softmax():
    x = np.array([[1000.0, 1000.0], [0.0, -np.inf]])
    np.testing.assert_allclose(softmax(x), [[0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(softmax(np.zeros((2, 4)), axis=0), np.full((2, 4), 0.5))


def test_last_token_is_the_last_position_of_each_output():
    from b4k3.backend import keras

    x = keras.layers.Input((None,))
    h = keras.layers.Embedding(7, 4)(x)
    outputs = [keras.layers.Dense(3)(h), keras.layers.Dense(5)(h)]
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    decoder = AutoRegressiveDecoder(None, END, 3)

    one = keras.models.Model(x, outputs[1])
    np.testing.assert_allclose(decoder.last_token(one).predict(ids), one.predict(ids)[:, -1], rtol=1e-5, atol=1e-6)
    assert decoder.last_token(one) is decoder.last_token(one)

    two = keras.models.Model(x, outputs)
    assert decoder.last_token(two) is not decoder.last_token(one)
    for last, whole in zip(decoder.last_token(two).predict(ids), two.predict(ids)):
        np.testing.assert_allclose(last, whole[:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_last_token_projects_the_last_position_alone(tied):
    from b4k3.backend import keras
    from b4k3.layers import Embedding, ScaleOffset

    x = keras.layers.Input((None,))
    embedding = Embedding(7, 4, mask_zero=True)
    h = keras.layers.Dense(4, activation="tanh")(embedding(x))
    head = embedding(h, mode="dense") if tied else keras.layers.Dense(7, name="head")(h)
    y = keras.layers.Activation("softmax")(ScaleOffset(scale=False)(head))
    model = keras.models.Model(x, y)
    last = AutoRegressiveDecoder(None, END, 3).last_token(model)
    ids = np.array([[1, 2, 3], [4, 5, 0]])
    np.testing.assert_allclose(last.predict(ids), model.predict(ids)[:, -1], rtol=1e-5, atol=1e-6)
    cut = [layer for layer in last.layers if type(layer).__name__ == "LastToken"]
    assert len(cut) == 1 and cut[0].input.shape[-1] == 4


def test_last_token_in_threads_and_after_an_error():
    import threading

    from b4k3.backend import keras

    x = keras.layers.Input((None, 2))
    model = keras.models.Model(x, keras.layers.Dense(3)(keras.layers.Dense(4)(x)))
    batches = [np.random.RandomState(n).randn(n, 3, 2).astype("float32") for n in (1, 2, 40)]
    want = [model.predict(batch)[:, -1] for batch in batches]
    decoder, answers = AutoRegressiveDecoder(None, END, 3), []
    last = decoder.last_token(model)

    def run(number):
        for i in range(3):
            which = (number + i) % 3
            with pytest.raises(ValueError):
                last.predict(np.ones((1, 3, 5)))
            answers.append(np.allclose(last.predict(batches[which], verbose=0), want[which], rtol=1e-5, atol=1e-6))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert answers == [True] * 12
