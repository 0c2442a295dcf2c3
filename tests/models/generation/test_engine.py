"""The rules of decoding, on a network that is a table, against slow oracles."""

import gc
import inspect
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from b4k3.backend import runs_eagerly
from b4k3.models import ConfigError, Transformer
from b4k3.models.generation import engine as generation_engine
from b4k3.models.generation.engine import Engine
from b4k3.snippets import AutoRegressiveDecoder
from support import decoding_tables as tables
from support.decoding_tables import PROMPTS, TABLE, VOCABULARY, filled

ENDS = [1, 8]
NAN = float("nan")


@pytest.fixture(scope="module")
def engine():
    return Engine(tables.Table())


def generate(engine, max_new, prompts=PROMPTS, start_id=None, progress=False, **kwargs):
    return engine.generate(tables.request(max_new, **kwargs), prompts, start_id, progress=progress)


def bare(prompts=PROMPTS):
    return [row[:n] for row, n in zip(prompts.tolist(), tables.lengths(prompts))]


def greedy(prompt, length, ends=(), minimum=0, penalty=1.0):
    """(tokens, summed log-probabilities), step by step."""
    out, total = [], 0.0
    for n in range(length):
        tokens = prompt + out
        scores = tables.adjusted(TABLE[n, tokens[-1]], tokens, penalty, ends if n < minimum else ())
        out.append(int(scores.argmax()))
        total += tables.log_softmax(TABLE[n, tokens[-1]])[out[-1]]
        if out[-1] in ends:
            break
    return out, total


@pytest.mark.parametrize(
    "ends, minimum, penalty", [((), 0, 1.0), ((1,), 0, 1.0), ((1, 8), 0, 1.3), ((1, 8), 4, 1.3), ((3, 5), 0, 1.3)]
)
def test_greedy(engine, ends, minimum, penalty):
    want = [greedy(prompt, 9, ends, minimum, penalty) for prompt in bare()]
    got, scores = generate(
        engine,
        9,
        end_id=list(ends) or None,
        min_new_tokens=minimum,
        repetition_penalty=penalty,
        return_scores=True,
    )
    assert got.tolist() == filled([tokens for tokens, _ in want])
    np.testing.assert_allclose(scores, [total for _, total in want], rtol=1e-5)


def test_an_end_token_in_the_prompt_is_not_an_end(engine):
    prompts = np.array([[1, 8, 1], [8, 1, 0]])
    want = [greedy(prompt, 6, ENDS)[0] for prompt in bare(prompts)]
    assert generate(engine, 6, prompts, end_id=ENDS).tolist() == filled(want)


def test_a_start_id_follows_each_prompt(engine):
    want = [greedy(prompt + [9], 5)[0] for prompt in bare()]
    assert generate(engine, 5, start_id=9).tolist() == want


SAMPLING = [
    {},
    {"temperature": 0.7},
    {"top_k": 3},
    {"top_p": 0.6},
    {"temperature": 1.4, "top_k": 7, "top_p": 0.8, "penalty": 1.2},
    {"top_k": 100},
]


@pytest.mark.parametrize("rules", SAMPLING, ids=str)
def test_sampling(engine, rules):
    request = dict(rules, repetition_penalty=rules.get("penalty", 1.0), do_sample=True, seed=3, end_id=ENDS)
    request.pop("penalty", None)
    got = generate(engine, 8, num_return_sequences=4, **request)
    uniform = tables.request(8, **request).uniform(12, 8)
    want = []
    for row, numbers in enumerate(uniform):
        want.append(tables.sampled(bare()[row // 4], numbers, ENDS, **rules))
    assert got.tolist() == filled(want)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-38, 1e-45, 1e-320])
@pytest.mark.parametrize("rules", [{}, {"top_k": 5}, {"top_p": 0.9}], ids=str)
def test_a_temperature_near_0_gives_the_greedy_tokens(engine, temperature, rules):
    options = {"end_id": ENDS, "min_new_tokens": 4, "repetition_penalty": 1.3}
    want = generate(engine, 8, **options)
    got = generate(engine, 8, do_sample=True, seed=1, temperature=temperature, **rules, **options)
    assert got.tolist() == want.tolist()


@pytest.mark.parametrize("temperature", [1e6, 1e12, 1e38, 1e300])
def test_a_high_temperature_makes_nothing_possible_that_is_forbidden(engine, temperature):
    got = generate(
        engine,
        6,
        do_sample=True,
        seed=2,
        temperature=temperature,
        end_id=ENDS,
        min_new_tokens=6,
        num_return_sequences=9,
    )
    assert got.shape == (27, 6) and not np.isin(got[:, :-1], ENDS).any()
    assert len(np.unique(got)) > 8


@pytest.mark.parametrize("penalty", [1e-300, 1e-30, 1e30, 1e300])
def test_an_absurd_penalty_gives_tokens_all_the_same(engine, penalty):
    for options in ({}, {"do_sample": True, "seed": 1}, {"num_beams": 2}):
        tokens, scores = generate(engine, 5, repetition_penalty=penalty, return_scores=True, **options)
        assert ((0 <= tokens) & (tokens < VOCABULARY)).all() and not np.isnan(scores).any()


def test_samples_depend_on_seed_and_row_alone(engine):
    def draw(prompts, seed):
        return generate(engine, 8, prompts, do_sample=True, seed=seed)

    together = draw(PROMPTS, 5)
    np.testing.assert_array_equal(draw(PROMPTS, 5), together)
    np.testing.assert_array_equal(draw(PROMPTS[:1], 5), together[:1])
    assert not np.array_equal(draw(PROMPTS, 6), together)
    assert not np.array_equal(draw(PROMPTS, None), draw(PROMPTS, None))


def test_streaming_gives_the_same_tokens(engine):
    for kwargs in ({"end_id": ENDS}, {"end_id": ENDS, "do_sample": True, "seed": 2, "top_k": 4}, {}):
        stream = generate(engine, 8, stream=True, **kwargs)
        assert iter(stream) is stream
        steps = list(stream)
        assert all(step.shape == (len(PROMPTS),) for step in steps)
        np.testing.assert_array_equal(np.stack(steps, axis=1), generate(engine, 8, **kwargs))


class TableDecoder(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        return TABLE[output_ids.shape[1], np.concatenate([inputs[0], output_ids], axis=1)[:, -1]]


@pytest.mark.parametrize("beams, end", [(2, 1), (2, 8), (2, 4), (4, 1), (4, 8), (4, 4)])
def test_beam_search_by_the_rule_of_autoregressivedecoder(engine, beams, end):
    decoder = TableDecoder(None, end, maxlen=7)
    want = [decoder.beam_search([prompt], topk=beams).tolist() for prompt in bare()]
    assert generate(engine, 7, end_id=end, num_beams=beams).tolist() == filled(want)


def test_the_n_best_of_that_rule_begin_with_its_output(engine):
    tokens, scores = generate(engine, 7, end_id=8, num_beams=4, num_return_sequences=3, return_scores=True)
    assert len(tokens) == len(scores) == 9
    best = generate(engine, 7, end_id=8, num_beams=4)
    np.testing.assert_array_equal(tokens[::3, : best.shape[1]], best)
    for i in range(0, 9, 3):
        assert len({tuple(row) for row in tokens[i : i + 3].tolist()}) == 3
    assert (scores[1::3] >= scores[2::3]).all()


@pytest.mark.parametrize(
    "beams, ends, penalty, minimum, repetition",
    [
        (2, (1,), 1.0, 0, 1.0),
        (3, (1, 8), 0.0, 0, 1.0),
        (4, (4,), 2.0, 3, 1.0),
        (3, (3, 5), -1.0, 0, 1.3),
        (3, (), 1.0, 0, 1.0),
    ],
)
def test_beam_search_by_the_rule_of_transformers(engine, beams, ends, penalty, minimum, repetition):
    tokens, scores = generate(
        engine,
        7,
        end_id=list(ends) or None,
        num_beams=beams,
        length_penalty=penalty,
        num_return_sequences=2,
        min_new_tokens=minimum,
        repetition_penalty=repetition,
        return_scores=True,
    )
    want = []
    for prompt in bare():
        want += tables.ranked_beams(prompt, beams, 7, ends, penalty, minimum, repetition)[:2]
    assert tokens.tolist() == filled([row for row, _ in want])
    np.testing.assert_allclose(scores, [total for _, total in want], rtol=1e-5)


def test_nearby_lengths_share_what_is_compiled():
    network = tables.Table()
    engine = Engine(network)
    generate(engine, 5)
    first = network.traces
    generate(engine, 9, np.array([[5, 6, 7, 8, 9], [4, 0, 0, 0, 0], [1, 2, 0, 0, 0]]))
    generate(engine, 7, end_id=None)
    assert runs_eagerly or network.traces == first


def test_each_batch_size_is_compiled_by_itself():
    """So that it can be dropped by itself."""
    engine = Engine(tables.Table())
    for n in (1, 2, 1):
        generate(engine, 4, np.full((n, 3), 5))
    assert len(engine.functions) == (1 if runs_eagerly else 2)


def test_the_compiled_functions_that_were_used_last_are_kept(monkeypatch):
    """A server of many sizes must not fill the memory: what is dropped is freed, and made again if it is needed."""
    engine = Engine(tables.Table(), most=2)
    requests = {"plain": {}, "ends": {"end_id": 1}, "beams": {"num_beams": 2}}
    made, make = [], generation_engine.functions

    def functions(*arguments):
        pair = make(*arguments)
        made.append([weakref.ref(function) for function in pair])
        return pair

    def tokens(name):
        return generate(engine, 4, **requests[name]).tolist()

    def kept():
        return ["beams" if key[0].beams > 1 else "ends" if key[0].ends else "plain" for key in engine.functions]

    monkeypatch.setattr(generation_engine, "functions", functions)
    want = {name: tokens(name) for name in ("plain", "ends", "plain")}
    assert kept() == ["ends", "plain"]
    permanent = hasattr(next(iter(engine.functions.values()))[0], "permanent")  # TensorFlow 1 keeps all in its graph
    tokens("beams")
    assert kept() == ["ends"] * permanent + ["plain", "beams"]
    gc.collect()
    alive = [all(reference() is not None for reference in pair) for pair in made]
    assert alive == [True, permanent, True]  # plain, ends, beams: neither the engine nor the framework keeps the second
    assert {name: tokens(name) for name in want} == want


class Reader(dict):
    """A dict that knows which of its keys were read."""

    def __init__(self, values):
        super().__init__(values)
        self.read = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


def test_each_argument_is_read_and_no_other(monkeypatch):
    """The arguments stand in the signature of `Transformer.generate` alone: what reads them must not fall behind."""
    seen = []

    def note(transformer, given):
        seen.append(Reader(given))
        return generation_engine.generate(transformer, seen[-1])

    monkeypatch.setattr("b4k3.models.generation.generate", note)
    model = SimpleNamespace(engine=Engine(tables.Table()))
    got = Transformer.generate(model, PROMPTS, 5, end_id=8)
    np.testing.assert_array_equal(got, generate(model.engine, 5, end_id=8))
    parameters = inspect.signature(Transformer.generate).parameters
    assert seen[0].read == set(parameters) - {"self"} == set(seen[0])


def test_a_misspelt_argument_is_named():
    with pytest.raises(TypeError, match="topk"):
        Transformer.generate(SimpleNamespace(engine=None), PROMPTS, 5, topk=3)


class Terminal:
    def __init__(self, terminal):
        self.terminal, self.text = terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_is_for_terminals(engine, monkeypatch):
    for terminal in (True, False):
        monkeypatch.setattr("sys.stderr", Terminal(terminal))
        import sys

        got = generate(engine, 4, progress=True)
        np.testing.assert_array_equal(got, generate(engine, 4))
        assert ("4/4 tokens" in sys.stderr.text) == terminal
        assert sys.stderr.text.endswith("\x1b[K") == terminal


WRONG = [
    ({"max_new_tokens": 0}, "max_new_tokens=0"),
    ({"max_new_tokens": 2.5}, "max_new_tokens=2.5"),
    ({"num_beams": 0}, "num_beams=0"),
    ({"end_id": -1}, "end_id=-1"),
    ({"temperature": 0.7, "top_p": 0.5}, "temperature=0.7, top_p=0.5 apply only to sampling"),
    ({"top_k": 5}, "top_k=5 applies only to sampling; set do_sample=True"),
    ({"do_sample": True, "temperature": 0}, "temperature=0"),
    ({"do_sample": True, "top_p": 1.5}, "top_p=1.5"),
    ({"do_sample": True, "num_beams": 2}, "choose sampling or beam search"),
    ({"do_sample": True, "seed": -3}, "seed=-3"),
    ({"num_return_sequences": 2}, "give more beams"),
    ({"length_penalty": 1.0}, "length_penalty=1.0 applies only to beam search; set num_beams above 1"),
    ({"stream": True, "num_beams": 2}, "stream=True is possible with .* or set num_beams=1"),
    ({"stream": True, "return_scores": True}, "stream=True is possible .* or set return_scores=False"),
    ({"min_new_tokens": 9}, "more than max_new_tokens"),
    ({"repetition_penalty": 0}, "repetition_penalty=0"),
    ({"prompts": [[1, 2], []]}, "right-padded with 0"),
    ({"prompts": [1, 2]}, "right-padded with 0"),
    ({"prompts": [[1.5, 2.0]]}, "whole numbers"),
    ({"prompts": [[1, VOCABULARY]]}, r"ids: id 12 at \[0, 1\], .* from 0 to 11: the vocabulary has 12"),
    ({"prompts": [[1, -1]]}, r"id -1 at \[0, 1\]"),
    ({"prompts": [[1, 2], [2**32 + 5, 0]]}, r"id 4294967301 at \[1, 0\]"),
    ({"prompts": [[1, 2**70]]}, r"id 1.18\d*e\+21 at \[0, 1\]"),
    ({"prompts": [[1.0, 1e20]]}, r"id 1e\+20 at \[0, 1\]"),
    ({"prompts": [[1.0, NAN]]}, r"id nan at \[0, 1\]"),
    ({"prompts": np.array([[1, 2**64 - 1]], "uint64")}, r"id 18446744073709551615 at"),
    ({"prompts": [["1", "2"]]}, "whole numbers"),
    ({"prompts": [[True, False]]}, "whole numbers"),
    ({"prompts": [[None, 2]]}, "whole numbers"),
    ({"start_id": VOCABULARY}, "start_id=12, expected a whole number from 0 to 11: the vocabulary has 12"),
    ({"start_id": 2**40}, "start_id=1099511627776"),
    ({"start_id": -1}, "start_id=-1"),
    ({"start_id": 1.0}, "start_id=1.0"),
    ({"start_id": True}, "start_id=True"),
    ({"end_id": VOCABULARY}, "end_id=12, expected"),
    ({"end_id": [3, 2**32]}, "end_id=4294967296"),
    ({"end_id": [3, True]}, "end_id=True"),
    ({"end_id": [3, 4.5]}, "end_id=4.5"),
    ({"end_id": np.array([3.0])}, "end_id=3.0"),
    ({"end_id": []}, r"end_id=\[\] names no id"),
    ({"end_id": "[SEP]"}, r"end_id='\[SEP\]'"),
    ({"num_beams": 2, "length_penalty": NAN}, "length_penalty=nan, expected a number"),
    ({"num_beams": 2, "length_penalty": float("inf")}, "length_penalty=inf"),
    ({"num_beams": 2, "length_penalty": "1"}, "length_penalty='1'"),
    ({"num_beams": 2, "length_penalty": True}, "length_penalty=True"),
    ({"do_sample": True, "temperature": "warm"}, "temperature='warm'"),
    ({"do_sample": True, "temperature": NAN}, "temperature=nan"),
    ({"do_sample": True, "temperature": float("inf")}, "temperature=inf"),
    ({"do_sample": True, "temperature": True}, "temperature=True"),
    ({"do_sample": True, "temperature": 10**400}, "temperature=1000"),
    ({"do_sample": True, "temperature": np.ones(2)}, "temperature=array"),
    ({"do_sample": True, "top_p": NAN}, "top_p=nan"),
    ({"do_sample": True, "top_p": True}, "top_p=True"),
    ({"do_sample": True, "top_k": 3.0}, "top_k=3.0"),
    ({"do_sample": True, "top_k": 2**31}, "top_k=2147483648"),
    ({"repetition_penalty": NAN}, "repetition_penalty=nan"),
    ({"repetition_penalty": "1.2"}, "repetition_penalty='1.2'"),
    ({"repetition_penalty": None}, "repetition_penalty=None"),
    ({"max_new_tokens": True}, "max_new_tokens=True"),
    ({"max_new_tokens": 2**40}, "max_new_tokens=1099511627776"),
    ({"min_new_tokens": 1.0}, "min_new_tokens=1.0"),
    ({"seed": 1.5}, "seed=1.5"),
    ({"do_sample": "no"}, "do_sample='no'"),
    ({"return_scores": None}, "return_scores=None"),
]


def test_lists_of_different_lengths_are_padded(engine):
    padded = generate(engine, 4, np.array([[1, 2, 3], [4, 0, 0]]))
    np.testing.assert_array_equal(generate(engine, 4, [[1, 2, 3], [4]]), padded)


@pytest.mark.parametrize("arguments, message", WRONG, ids=str)
def test_wrong_arguments_are_told(engine, arguments, message):
    arguments = dict({"max_new_tokens": 4, "prompts": PROMPTS}, **arguments)
    with pytest.raises(ConfigError, match=message):
        generate(engine, arguments.pop("max_new_tokens"), arguments.pop("prompts"), **arguments)
