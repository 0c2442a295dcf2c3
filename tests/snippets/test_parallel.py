import itertools
import math
import multiprocessing
import os
import threading
import types

import numpy as np
import pytest

from b4k3.snippets import parallel, parallel_apply, parallel_apply_generator

METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()] + ["threads"]


@pytest.fixture(params=METHODS)
def how(request, monkeypatch):
    """Keyword arguments for each kind of worker."""
    if request.param == "threads":
        return {"dummy": True}
    context = multiprocessing.get_context(request.param)
    monkeypatch.setattr(parallel, "multiprocessing", types.SimpleNamespace(get_context=lambda: context))
    return {}


def test_results(how):
    items = [float(i) for i in range(50)]
    wanted = [math.sqrt(i) for i in items]
    assert parallel_apply(math.sqrt, items, 2, 5, unordered=False, **how) == wanted
    assert sorted(parallel_apply(math.sqrt, items, 2, 5, **how)) == wanted
    assert sorted(parallel_apply_generator(math.sqrt, items, 2, 5, **how)) == list(enumerate(wanted))
    results = []
    assert parallel_apply(math.sqrt, items, 2, 100, callback=results.append, unordered=False, **how) is None
    assert results == wanted
    assert parallel_apply(math.sqrt, [], 2, 5, **how) == []


def test_an_exception_is_raised(how):
    with pytest.raises(ValueError, match="'x'"):
        parallel_apply(int, ["1", "2", "x"] + ["3"] * 100, 2, 10, **how)


def test_an_endless_iterable_is_read_as_far_as_wanted(how):
    read = []
    endless = (read.append(i) or float(i) for i in itertools.count())
    results = parallel_apply_generator(math.sqrt, endless, 2, 4, **how)
    for taken in range(1, 20):
        next(results)
        assert len(read) <= taken + 4
    results.close()


def dies(item):
    os._exit(3)


class TestForked:
    @pytest.fixture(autouse=True)
    def forked(self, monkeypatch):
        context = multiprocessing.get_context("fork")
        monkeypatch.setattr(parallel, "multiprocessing", types.SimpleNamespace(get_context=lambda: context))

    def test_a_closure(self):
        offset = 3
        assert parallel_apply(lambda x: x + offset, [1, 2], 2, 2, unordered=False) == [4, 5]

    def test_a_dead_worker_is_an_error(self):
        with pytest.raises(Exception, match="terminated abruptly"):
            parallel_apply(dies, range(10), 2, 4)

    def test_a_result_that_cannot_be_sent_is_an_error(self):
        with pytest.raises(Exception, match="(?i)pickle"):
            parallel_apply(lambda x: threading.Lock(), range(10), 2, 4)

    def test_seeds(self):
        def draw(item):
            return os.getpid(), np.random.randint(1 << 30)

        def first_of_each_worker(random_seeds):
            np.random.seed(0)
            firsts = {}
            for pid, number in parallel_apply(draw, range(400), 2, 400, random_seeds=random_seeds, unordered=False):
                firsts.setdefault(pid, number)
            return set(firsts.values())  # one only, if a fast worker did everything

        of_seed = {seed: np.random.RandomState(seed).randint(1 << 30) for seed in (0, 5, 6)}
        assert first_of_each_worker([5, 6]) <= {of_seed[5], of_seed[6]}
        assert first_of_each_worker(False) == {of_seed[0]}
        assert of_seed[0] not in first_of_each_worker(True)


def test_a_closure_cannot_be_spawned(monkeypatch):
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(parallel, "multiprocessing", types.SimpleNamespace(get_context=lambda: context))
    with pytest.raises(ValueError, match="top of a module"):
        parallel_apply(lambda x: x, [1], 2, 2)
