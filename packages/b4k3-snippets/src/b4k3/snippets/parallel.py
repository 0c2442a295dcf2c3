"""A function over many items, in several processes or threads."""

from __future__ import annotations

import heapq
import itertools
import multiprocessing
import queue
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from multiprocessing.sharedctypes import RawValue

import numpy as np

# of a worker process
_function = _stopped = None


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
        The exception of func, as it was raised in the worker; `BrokenProcessPool` if a process died.
    """
    executor, call, stopped = _executor(func, workers, dummy, random_seeds)
    items, done, pending = enumerate(iterable), queue.Queue(), set()
    try:
        while True:
            for i, item in itertools.islice(items, max(1, max_queue_size) - len(pending)):
                future = executor.submit(call, item)
                pending.add(future)
                future.add_done_callback(lambda future, i=i: done.put((i, future)))
            if not pending:
                return
            i, future = done.get()
            pending.remove(future)
            yield i, future.result()
    finally:
        # What is under way comes to nothing by this flag: in Python 3.7 and 3.8 a pool with cancelled futures can hang.
        stopped.value = True
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


def _executor(func, workers, dummy, random_seeds):
    """(executor, what it is to call with each item, the flag that makes further calls do nothing)"""
    stopped = RawValue("b", False)  # without a lock, which a dying process could keep
    if dummy:
        return ThreadPoolExecutor(workers), lambda item: None if stopped.value else func(item), stopped
    context = multiprocessing.get_context()
    if context.get_start_method() != "fork":
        _check_sendable(func)
    arguments = func, stopped, _seeds(context, workers, random_seeds)
    return ProcessPoolExecutor(workers, context, _start_worker, arguments), _call, stopped


def _check_sendable(func):
    try:
        ForkingPickler.dumps(func)
    except Exception as error:
        message = "%r cannot be sent to a spawned process (%s); define it at the top of a module, or use dummy=True"
        raise ValueError(message % (func, error)) from error


def _seeds(context, workers, random_seeds):
    """A queue with a seed for each worker, or None to leave the seeds alone."""
    if random_seeds is None or random_seeds is False:
        return None
    seeds = context.SimpleQueue()
    endless = itertools.repeat(None) if random_seeds is True else itertools.cycle(random_seeds)
    for seed in itertools.islice(endless, workers):
        seeds.put(seed)
    return seeds


def _start_worker(func, stopped, seeds):
    global _function, _stopped
    _function, _stopped = func, stopped
    if seeds is not None:
        seed = seeds.get()
        random.seed(seed)
        np.random.seed(seed)


def _call(item):
    return None if _stopped.value else _function(item)
