"""Apply a function to many items, in several processes or threads."""

from __future__ import annotations

import heapq
import itertools
import multiprocessing
import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any, Callable, Iterable, Iterator, Sequence, TypeVar, overload

import numpy as np

from b4k3.tokenizers.workers import results_of_processes

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_apply_generator(
    func: Callable[[Item], Result],
    iterable: Iterable[Item],
    workers: int,
    max_queue_size: int,
    dummy: bool = False,
    random_seeds: bool | Sequence[int] | None = True,
) -> Iterator[tuple[int, Result]]:
    """Apply a function to items, and yield the results as they are ready.

    Arguments:
        func: function. It takes one item. If processes are spawned, not forked, it must be importable: no lambda, and
            no function inside a function. If they are forked it must not use Keras, whose threads a fork leaves behind.
        iterable: iterable of items. It may be endless, because it is read only as far ahead as `max_queue_size`.
        workers: int. The number of processes or threads.
        max_queue_size: int. The number of items that may be under way, or done and not yet taken.
        dummy: bool. Whether threads do the work instead of processes.
        random_seeds: bool, list of int, or None. True draws a new seed for `random` and `numpy.random` in each process;
            a list gives the seeds; False and None leave the generators, so that forked processes draw the same numbers.

    Yields:
        (index of the item, result), in no particular order. No result is lost without an error.

    Raises:
        BrokenProcessPool: a process died while it computed or sent its result. The message names the item.
        ValueError: processes are spawned, and `func` cannot be sent to them.
        Exception: what `func` raised in the worker.

    Example:
        >>> from b4k3.snippets import parallel_apply_generator
        >>> sorted(parallel_apply_generator(len, ["a", "abc"], workers=2, max_queue_size=4, dummy=True))
        [(0, 1), (1, 3)]
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


def _seed(seed: int | None) -> None:
    """Seed `random` and `numpy.random` of a process."""
    random.seed(seed)
    np.random.seed(seed)


def _results_of_threads(
    func: Callable[[Item], Result], iterable: Iterable[Item], workers: int, max_queue_size: int
) -> Iterator[tuple[int, Result]]:
    """Yield (index of the item, result) as threads have them ready."""
    stopped = threading.Event()
    executor, items = ThreadPoolExecutor(workers), enumerate(iterable)
    done: Any = queue.Queue()
    pending = set()
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
        stopped.set()  # items that wait for a thread are not computed any more
        executor.shutdown()


@overload
def parallel_apply(
    func: Callable[[Item], Result],
    iterable: Iterable[Item],
    workers: int,
    max_queue_size: int,
    callback: None = None,
    dummy: bool = False,
    random_seeds: bool | Sequence[int] | None = True,
    unordered: bool = True,
) -> list[Result]: ...


@overload
def parallel_apply(
    func: Callable[[Item], Result],
    iterable: Iterable[Item],
    workers: int,
    max_queue_size: int,
    callback: Callable[[Result], Any],
    dummy: bool = False,
    random_seeds: bool | Sequence[int] | None = True,
    unordered: bool = True,
) -> None: ...


def parallel_apply(
    func: Callable[[Item], Result],
    iterable: Iterable[Item],
    workers: int,
    max_queue_size: int,
    callback: Callable[[Result], Any] | None = None,
    dummy: bool = False,
    random_seeds: bool | Sequence[int] | None = True,
    unordered: bool = True,
) -> list[Result] | None:
    """Apply a function to items, and return the results or hand each of them to a callback.

    Arguments:
        func: function. It takes one item, as for `parallel_apply_generator`.
        iterable: iterable of items. With a callback it may be endless.
        workers: int. The number of processes or threads.
        max_queue_size: int. The number of items that may be under way, or done and not yet taken.
        callback: function, or None. It takes one result, and is called in this process as results come.
        dummy: bool. Whether threads do the work instead of processes.
        random_seeds: bool, list of int, or None. The seeds of the processes, as for `parallel_apply_generator`.
        unordered: bool. Whether results may come in any order; False keeps the order of the items.

    Returns:
        list of the results; None with a callback.

    Raises:
        BrokenProcessPool: a process died while it computed or sent its result. The message names the item.
        ValueError: processes are spawned, and `func` cannot be sent to them.
        Exception: what `func` raised in the worker.

    Example:
        >>> from b4k3.snippets import parallel_apply
        >>> parallel_apply(len, ["a", "abc"], workers=2, max_queue_size=4, dummy=True, unordered=False)
        [1, 3]

    Reference: the function of the same name in bert4keras, https://github.com/bojone/bert4keras
    """
    results = parallel_apply_generator(func, iterable, workers, max_queue_size, dummy, random_seeds)
    results = (result for _, result in (results if unordered else _in_order(results)))
    if callback is None:
        return list(results)
    for result in results:
        callback(result)
    return None


def _in_order(results: Iterable[tuple[int, Result]]) -> Iterator[tuple[int, Result]]:
    """Yield results in the order of the items, and keep the results that come too early."""
    waiting: list[tuple[int, Result]] = []
    following = 0
    for i, result in results:
        heapq.heappush(waiting, (i, result))
        while waiting and waiting[0][0] == following:
            yield heapq.heappop(waiting)
            following += 1


def _check_sendable(func: Any) -> None:
    """Raise ValueError if a function cannot be pickled, as it must be for a spawned process."""
    try:
        ForkingPickler.dumps(func)
    except Exception as error:
        raise ValueError(
            f"{func!r} cannot be sent to a spawned process ({error}); define it at the top of a module, or "
            "use dummy=True"
        ) from error
