import itertools
import math
import multiprocessing.connection
import os
import signal
import threading
import types
from concurrent.futures.process import BrokenProcessPool

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


def killed(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def killed_while_it_sends(item):
    """The first half of a result is in the pipe when the process is killed."""

    def send(self, data):
        os.write(self.fileno(), bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    if item == 3:
        multiprocessing.connection.Connection._send_bytes = send
    return item


def without_hanging(function):
    """The exception that a function raises, within a minute.

    It runs in this thread: in a fork of another one the objects of the main thread are deleted, and among them a
    session of TensorFlow 1, which waits for threads that the fork does not have.
    """

    def stop(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        return function()
    except AssertionError:
        raise
    except Exception as e:
        return e
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class TestForked:
    @pytest.fixture(autouse=True)
    def forked(self, monkeypatch):
        context = multiprocessing.get_context("fork")
        monkeypatch.setattr(parallel, "multiprocessing", types.SimpleNamespace(get_context=lambda: context))

    def test_a_closure(self):
        offset = 3
        assert parallel_apply(lambda x: x + offset, [1, 2], 2, 2, unordered=False) == [4, 5]

    def test_a_dead_worker_is_an_error(self):
        with pytest.raises(BrokenProcessPool, match=r"terminated abruptly \(exit code 3\) with item \d"):
            parallel_apply(dies, range(10), 2, 4)

    @pytest.mark.parametrize("function", [killed, killed_while_it_sends])
    def test_a_killed_worker_is_an_error(self, function):
        error = without_hanging(lambda: parallel_apply(function, range(10), 3, 6))
        assert isinstance(error, BrokenProcessPool), error
        assert "(exit code -9) with item 3" in str(error)

    def test_results_before_the_killed_worker_come(self):
        results = parallel_apply_generator(killed, range(10), 1, 2)
        assert [next(results) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
        assert isinstance(without_hanging(lambda: next(results)), BrokenProcessPool)
        assert not multiprocessing.active_children()

    def test_an_error_says_where_it_was_raised(self):
        with pytest.raises(ZeroDivisionError) as caught:
            parallel_apply(lambda x: 1 // x, [1, 0], 2, 2)
        assert "in <lambda>" in str(caught.value.__cause__) and "test_parallel" in str(caught.value.__cause__)

    def test_an_error_that_cannot_be_sent(self):
        class Odd(Exception):
            def __init__(self, first, second):
                super().__init__(first)

        def fail(item):
            raise Odd("what", "ever")

        with pytest.raises(RuntimeError, match="Odd: what"):
            parallel_apply(fail, [1], 1, 1)

    def test_large_items_and_results(self):
        items = [bytes([k]) * (1 << 20) for k in range(6)]
        assert parallel_apply(bytes.lower, items, 2, 4, unordered=False) == items

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


def test_no_workers_are_an_error(how):
    with pytest.raises(ValueError):
        parallel_apply(math.sqrt, [1], 0, 2, **how)


def test_a_closure_cannot_be_spawned(monkeypatch):
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(parallel, "multiprocessing", types.SimpleNamespace(get_context=lambda: context))
    with pytest.raises(ValueError, match="top of a module"):
        parallel_apply(lambda x: x, [1], 2, 2)
