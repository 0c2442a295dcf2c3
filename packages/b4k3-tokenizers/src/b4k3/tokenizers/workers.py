"""Apply a function to many items in several processes that may be killed at any time.

Each process has a pipe of its own and gets one item at a time. So the end of a process is the end of its pipe, seen
even in the middle of a result, and it is known which item is lost. (`concurrent.futures` has one pipe for the results
of all processes: one that is killed while it writes leaves the others, and the reader, waiting for ever.)
"""

from __future__ import annotations

import atexit
import copy
import multiprocessing
import traceback
from collections import deque
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

if TYPE_CHECKING:
    from .base import TokenizerBase


def results_of_processes(
    function: Callable,
    items: Iterable,
    workers: int,
    ahead: int,
    context: Any,
    initialize: Callable | None = None,
    arguments: Iterable = (),
) -> Iterator[tuple[int, Any]]:
    """Apply a function to items in processes; results come as they are ready.

    Arguments:
        function: A function of one item. Where processes are spawned, not forked, it has to be picklable.
        items: The items, read no further than `ahead` from what was taken.
        workers: int. How many processes, which are started as they are needed.
        ahead: int. How many items may be under way, or done and not yet taken.
        context: A context of `multiprocessing`.
        initialize: A function that each process calls first, with the next one of `arguments`.
        arguments: An iterator.

    Yields:
        (index of the item, result).

    Raises:
        BrokenProcessPool: A process died; the message says with which item.
        Exception: What `function` raised, with the traceback of the process as its cause.
    """
    if workers < 1:
        raise ValueError(f"workers={workers}; expected 1 or more")
    pool = _Pool(function, workers, context, initialize, iter(arguments))
    atexit.register(pool.close)  # a generator that nobody finished must not keep the program from ending
    items, ready = enumerate(items), deque()
    try:
        while True:
            _give_out(pool, items, ahead - len(ready))
            if not pool.busy and not ready:
                return
            ready.extend(pool.take(None if not ready else 0))
            _give_out(pool, items, ahead - len(ready))
            i, answer = ready.popleft()
            if isinstance(answer, _Failure):
                raise answer.error
            yield i, answer
    finally:
        atexit.unregister(pool.close)
        pool.close()


def _give_out(pool: _Pool, items: Iterator[tuple[int, Any]], most: int) -> None:
    """Give items to processes, until all are busy or `most` items are under way."""
    while len(pool.busy) < min(pool.workers, most):
        try:
            i, item = next(items)
        except StopIteration:
            return
        pool.give(i, item)


class _Failure:
    """Hold an error in place of a result."""

    def __init__(self, error: BaseException):
        self.error = error


class _Pool:
    """Keep processes, and know which item each of them has.

    Arguments:
        function: A function of one item.
        workers: int. How many processes there may be.
        context: A context of `multiprocessing`.
        initialize: A function that each process calls first, or None.
        arguments: An iterator over the arguments of `initialize`.
    """

    def __init__(
        self,
        function: Callable,
        workers: int,
        context: Any,
        initialize: Callable | None,
        arguments: Iterator,
    ):
        self._function, self.workers, self._context = function, workers, context
        self._initialize, self._arguments = initialize, arguments
        self._all, self._idle, self.busy = [], [], {}  # connection -> (process, connection, index of the item)

    def give(self, i: int, item: Any) -> None:
        """Give an item to a process that has none, which is started if there is no such process.

        Arguments:
            i: int. The index of the item.
            item: Any. The item. It has to be picklable.
        """
        process, connection = self._idle.pop() if self._idle else self._start()
        self.busy[connection] = process, connection, i
        try:
            connection.send((item,))
        except ConnectionError:
            pass  # the process died; `take` says so

    def _start(self) -> tuple[Any, Any]:
        """Start a process; return it and the connection to it."""
        connection, other = self._context.Pipe()
        inherited = [c for _, c in self._all] + [connection] if self._context.get_start_method() == "fork" else []
        argument = next(self._arguments, None)
        process = self._context.Process(
            target=_work, args=(other, inherited, self._function, self._initialize, argument)
        )
        process.start()
        other.close()
        self._all.append((process, connection))
        return process, connection

    def take(self, timeout: float | None) -> Iterator[tuple[int, Any]]:
        """Take the results of the processes that are ready.

        Arguments:
            timeout: float or None. How many seconds to wait for the first; None to wait until there is one.

        Yields:
            (int, Any). The index of the item; the result, or a `_Failure`.
        """
        sentinels = {process.sentinel: connection for process, connection, _ in self.busy.values()}
        for ready in set(sentinels.get(found, found) for found in wait([*self.busy, *sentinels], timeout)):
            process, connection, i = self.busy.pop(ready)
            try:
                if not connection.poll():
                    raise EOFError
                succeeded, answer, trace = connection.recv()
            except (EOFError, OSError):
                process.join()
                message = f"process {process.pid} was terminated abruptly (exit code {process.exitcode}) with item {i}"
                yield i, _Failure(BrokenProcessPool(message + ", which is not done"))
                continue
            self._idle.append((process, connection))
            if not succeeded:
                answer.__cause__ = _RemoteTraceback(trace)
            yield i, answer if succeeded else _Failure(answer)

    def close(self) -> None:
        """End the processes: an idle one at once, a busy one after its item."""
        for _, connection in self._all:
            connection.close()
        for process, _ in self._all:
            process.join()


class _RemoteTraceback(Exception):
    """This is the traceback of an error in another process, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def _work(connection: Any, inherited: list, function: Callable, initialize: Callable | None, argument: Any) -> None:
    """Answer each item with (True, result, '') or (False, error, traceback). This is what a process runs."""
    for other in inherited:  # or the pipes of other processes would stay open when they and their parent are gone
        other.close()
    if initialize is not None:
        initialize(argument)
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return  # nobody has another item
        try:
            (item,) = ForkingPickler.loads(data)
            answer = ForkingPickler.dumps((True, function(item), ""))
        except Exception as e:
            answer = ForkingPickler.dumps((False, _sendable(e), traceback.format_exc()))
        try:
            connection.send_bytes(answer)
        except OSError:
            return  # nobody waits for it


def _sendable(error: Exception) -> Exception:
    """Return the error, or one that says what it was if it cannot be sent to another process."""
    try:
        copy.copy(error)  # made anew from its arguments, as at the other end
        ForkingPickler.dumps(error)
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


class _Method:
    """Call a method of a tokenizer by its name; it can be sent to another process if the tokenizer can."""

    def __init__(self, tokenizer: TokenizerBase, method: str):
        self.tokenizer, self.method = tokenizer, method

    def __call__(self, texts: list[str]) -> list:
        return getattr(self.tokenizer, self.method)(texts)


def map_in_processes(tokenizer: TokenizerBase, method: str, texts: list[str], workers: int) -> list:
    """Call a method of a tokenizer that has a result for each text, and share the texts out to processes.

    Where processes can be forked the tokenizer need not be picklable (`pre_tokenize` may be a lambda).

    Arguments:
        tokenizer: TokenizerBase. The tokenizer.
        method: str. The name of a method that takes a list of texts and returns a list of as many results.
        texts: list of str. The texts.
        workers: int. How many processes are started at most.

    Returns:
        list. What `getattr(tokenizer, method)(texts)` returns.

    Raises:
        BrokenProcessPool: A process died.
        Exception: What the method raised in a process.
    """
    forked = "fork" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if forked else None)
    size = max(1, min(2000, -(-len(texts) // workers)))
    parts = [texts[i : i + size] for i in range(0, len(texts), size)]
    rows = dict(results_of_processes(_Method(tokenizer, method), parts, workers, 2 * workers, context))
    return [row for i in range(len(parts)) for row in rows[i]]
