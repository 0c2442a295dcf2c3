"""A function over many items, in several processes or threads."""

from __future__ import annotations

import heapq
import itertools
import multiprocessing
import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler

import numpy as np

from b4k3.tokenizers.workers import results_of_processes


def parallel_apply_generator(func, iterable, workers, max_queue_size, dummy=False, random_seeds=True):
    """Apply a function to items; results come as they are ready.

    Arguments:
        func: a function of one item. Where processes are spawned, not forked, it must be importable: no lambda and no
            function inside a function. Where they are forked it must not use Keras, whose threads a fork leaves behind.
        iterable: the items; also an endless one, which is read only as far ahead as max_queue_size.
        workers: how many processes or threads.
        max_queue_size: how many items may be under way, or done and not yet taken.
        dummy: threads instead of processes.
        random_seeds: True draws a new seed for `random` and `numpy.random` in each process; a list gives these seeds;
            False leaves them, which with forked processes means that all draw the same numbers.

    Yields:
        (index of the item, result), in no particular order.

    Raises:
        The exception of func, as it was raised in the worker; `BrokenProcessPool` if a process died, killed while it
        computed or while it sent its result: the message names the item. No result is lost without an error.
    """
    if dummy:
        yield from _results_of_threads(func, iterable, workers, max_queue_size)
        return
    context = multiprocessing.get_context()
    if context.get_start_method() != "fork":
        _check_sendable(func)
    seeded = random_seeds is not None and random_seeds is not False
    seeds = itertools.repeat(None) if random_seeds is True else itertools.cycle(random_seeds or ())
    yield from results_of_processes(
        func, iterable, workers, max(1, max_queue_size), context, _seed if seeded else None, seeds
    )


def _seed(seed):
    random.seed(seed)
    np.random.seed(seed)


def _results_of_threads(func, iterable, workers, max_queue_size):
    """(index of the item, result) as threads have them."""
    stopped = threading.Event()
    executor, items = ThreadPoolExecutor(workers), enumerate(iterable)
    done, pending = queue.Queue(), set()
    try:
        while True:
            for i, item in itertools.islice(items, max(1, max_queue_size) - len(pending)):
                future = executor.submit(lambda item: None if stopped.is_set() else func(item), item)
                pending.add(future)
                future.add_done_callback(lambda future, i=i: done.put((i, future)))
            if not pending:
                return
            i, future = done.get()
            pending.remove(future)
            yield i, future.result()
    finally:
        stopped.set()  # what waits comes to nothing
        executor.shutdown()


def parallel_apply(
    func, iterable, workers, max_queue_size, callback=None, dummy=False, random_seeds=True, unordered=True
):
    """Apply a function to items; see `parallel_apply_generator` for the arguments that both have.

    Arguments:
        callback: a function of one result, called as results come; None to return them.
        unordered: whether results may come in any order.

    Returns:
        list of the results; None with a callback.
    """
    results = parallel_apply_generator(func, iterable, workers, max_queue_size, dummy, random_seeds)
    results = (result for _, result in (results if unordered else _in_order(results)))
    if callback is None:
        return list(results)
    for result in results:
        callback(result)
    return None


def _in_order(results):
    waiting, following = [], 0
    for i, result in results:
        heapq.heappush(waiting, (i, result))
        while waiting and waiting[0][0] == following:
            yield heapq.heappop(waiting)
            following += 1


def _check_sendable(func):
    try:
        ForkingPickler.dumps(func)
    except Exception as error:
        raise ValueError(
            f"{func!r} cannot be sent to a spawned process ({error}); define it at the top of a module, or "
            "use dummy=True"
        ) from error
