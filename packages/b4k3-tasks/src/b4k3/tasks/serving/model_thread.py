"""One thread that runs the models: texts of several requests go through the network together.

Which texts form a batch? For example, these wait, the oldest one first, and `max_batch` is 4:

    task      encode encode tag encode encode encode
    tokens        20    300   9     18     22     11

The oldest text must not wait longer, so it is in the batch, padded to 24 tokens. Texts of the same task and the same
padded length join it (18 and 22), then shorter ones down to half of it (11, which is padded to 12). A text of 300
tokens would make all others as slow as itself, so it waits for its turn. There are four texts now. Of three, two would
be taken: the number of texts is a power of 2, because a network is compiled for each shape, and no row is padding.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import math
import threading
import time
from typing import Any, AsyncIterator, Callable, Iterator, NamedTuple, Sequence

from b4k3.models.batching import rounded

from .limits import Limits
from .refusals import Refusal

LOG = logging.getLogger("b4k3.serving")
END = object()  # after the last piece of a stream


class Row(NamedTuple):
    """A text that is ready for the network.

    Attributes:
        length: int. The number of tokens.
        payload: what the task made of the text.

    Example:
        >>> from b4k3.tasks.serving.model_thread import Row
        >>> Row(3, [2, 7, 3]).length
        3
    """

    length: int
    payload: Any


class Call(NamedTuple):
    """A function with the options of a request. Rows with equal calls may be computed together.

    Attributes:
        function: function from a list of payloads and the options to the results. If `stepwise`, it returns an iterator
            that does one step at a time, and whose `return` value is the results.
        options: tuple. Hashable values.
        stepwise: bool. Whether other work is done between the steps.

    Example:
        >>> from b4k3.tasks.serving.model_thread import Call
        >>> Call(lambda payloads, factor: [factor * n for n in payloads], (7,))([3, 4])
        [21, 28]
    """

    function: Callable[..., Any]
    options: tuple[Any, ...] = ()
    stepwise: bool = False

    def __call__(self, payloads: Any) -> Any:
        """Call the function with the payloads and the options."""
        return self.function(payloads, *self.options)


class _Work:
    """The rows of one request: their results, and who waits for them."""

    def __init__(self, compute: Any, rows: Sequence[Row], loop: Any) -> None:
        self.compute, self.loop, self.future = compute, loop, loop.create_future()
        self.results: list[Any] = [None] * len(rows)
        self.missing = len(rows)
        self.arrived = time.monotonic()
        self.items = [_Item(self, i, rounded(row.length), row.payload) for i, row in enumerate(rows)]

    def put(self, results: list[tuple[int, Any]]) -> None:
        """Take results of some rows, in the thread of the event loop."""
        for index, result in results:
            self.results[index] = result
        self.missing -= len(results)
        if not self.missing and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error: BaseException) -> None:
        """Take the error of a row, in the thread of the event loop."""
        if not self.future.done():
            self.future.set_exception(error)


class _Item(NamedTuple):
    """A row that waits for the network."""

    work: _Work
    index: int
    width: int  # the padded length
    payload: Any


class _Steps:
    """A batch that is computed step by step."""

    def __init__(self, batch: list[_Item], iterator: Iterator[Any]) -> None:
        self.batch, self.iterator = batch, iterator

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(item.work.future.done() for item in self.batch)

    def advance(self) -> bool:
        """Do a step, in the model thread; return whether there are more."""
        try:
            next(self.iterator)
            return True
        except StopIteration as end:
            _give(self.batch, end.value)
        except Exception as error:
            _log(error)
            _give(self.batch, [error] * len(self.batch))
        return False

    def close(self) -> None:
        """End the iterator, in the model thread."""
        _close(self.iterator)


class _Stream:
    """A text that is generated piece by piece, and who waits for the pieces."""

    def __init__(self, begin: Callable[[], Iterator[Any]], loop: Any) -> None:
        self.begin, self.loop = begin, loop
        self.pieces: asyncio.Queue[Any] = asyncio.Queue()
        self.iterator: Iterator[Any] | None = None
        self.cancelled = False

    def advance(self) -> bool:
        """Compute the next piece, in the model thread; return whether there are more."""
        piece: Any
        try:
            if self.iterator is None:
                self.iterator = self.begin()
            piece = next(self.iterator, END)
        except Exception as error:
            piece = _log(error)
        _tell(self.loop, self.pieces.put_nowait, piece)
        return piece is not END and not isinstance(piece, BaseException)

    def close(self) -> None:
        """End the iterator, in the model thread."""
        _close(self.iterator)


class ModelThread:
    """The thread that runs the models of a server.

    Arguments:
        limits: `Limits`.
        on_batch: function of the number of texts in a batch, the seconds that its oldest text waited, and the seconds
            that it took; or None.

    Example:
        >>> import asyncio
        >>> from b4k3.tasks.serving.limits import Limits
        >>> from b4k3.tasks.serving.model_thread import ModelThread, Row
        >>> thread = ModelThread(Limits())
        >>> asyncio.run(thread.compute(lambda payloads: [2 * n for n in payloads], [Row(1, 3), Row(1, 4)]))
        [6, 8]
        >>> thread.stop()
    """

    def __init__(self, limits: Limits, on_batch: Callable[[int, float, float], Any] | None = None) -> None:
        self.limits, self.on_batch = limits, on_batch
        self._changed = threading.Condition()
        self._waiting: collections.deque[_Item] = collections.deque()
        self._new_streams: collections.deque[_Stream] = collections.deque()
        self._running: list[Any] = []  # streams, and batches that are computed step by step
        self._preparations: collections.deque[Callable[[], Any]] = collections.deque()
        self._computing = 0  # texts in the batch that is computed now
        self._stopping = False
        self._seconds_per_text = 0.01
        self._thread = threading.Thread(target=self._run, name="b4k3-model", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------- called by the event loop's thread

    @property
    def waiting(self) -> int:
        """The number of texts and streams that have not begun."""
        return len(self._waiting) + len(self._new_streams)

    @property
    def unprepared(self) -> int:
        """The number of functions of `prepare` that have not begun."""
        return len(self._preparations)

    @property
    def busy(self) -> bool:
        """Whether anything waits or is computed."""
        return bool(self._waiting or self._new_streams or self._running or self._computing)

    async def compute(self, compute: Callable[[list[Any]], Sequence[Any]], rows: Sequence[Row]) -> list[Any]:
        """Compute the results of rows. If the caller is cancelled, what has not begun is not computed.

        Arguments:
            compute: function from a list of payloads to their results. Rows with equal functions may be computed
                together.
            rows: list of `Row`.

        Returns:
            list of results, one for each row.

        Raises:
            Refusal: the queue is full, with the status 429.
            Exception: what `compute` raised for a row.
        """
        work = _Work(compute, rows, asyncio.get_running_loop())
        with self._changed:
            if len(self._waiting) + len(rows) > self.limits.max_queue:
                raise self._full(len(self._waiting) + len(rows))
            self._waiting.extend(work.items)
            self._changed.notify()
        try:
            return await work.future
        finally:
            if work.missing:
                self._forget(work)

    async def stream(self, begin: Callable[[], Iterator[str]]) -> AsyncIterator[str]:
        """Generate a text piece by piece, in turn with other work.

        Arguments:
            begin: function that returns the iterator. Both run in the model thread.

        Yields:
            str.

        Raises:
            Refusal: too many streams wait, with the status 429.
            Exception: what the iterator raised.
        """
        stream = _Stream(begin, asyncio.get_running_loop())
        with self._changed:
            if len(self._new_streams) >= self.limits.max_streams:
                raise self._full(len(self._new_streams) + 1)
            self._new_streams.append(stream)
            self._changed.notify()
        try:
            while True:
                piece = await stream.pieces.get()
                if piece is END:
                    return
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            stream.cancelled = True

    def prepare(self, steps: Sequence[Callable[[], Any]]) -> None:
        """Run functions while nothing else is to be done, one after the other; compiling for instance.

        Arguments:
            steps: list of functions without arguments.
        """
        with self._changed:
            self._preparations.extend(steps)
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after all that waits has been computed."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _full(self, wanted: int) -> Refusal:
        """Make the error of a full queue, which says when there may be room."""
        seconds = min(60, max(1, math.ceil(wanted * self._seconds_per_text)))
        return Refusal(429, f"the queue is full; ask again in {seconds} s", "queue_full", retry_after=seconds)

    def _forget(self, work: _Work) -> None:
        """Take the rows of a cancelled request out of the queue."""
        with self._changed:
            self._waiting = collections.deque(item for item in self._waiting if item.work is not work)

    # -------------------------------------------------------------------------------- called by the model thread

    def _run(self) -> None:
        """Compute batch after batch, and a piece of each stream between two batches."""
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            if batch:
                self._compute(batch)
                with self._changed:
                    self._computing = 0
            self._advance()

    def _next_batch(self) -> list[_Item] | None:
        """Wait for the next batch. It is [] if there are only streams, and None at the end."""
        while True:
            with self._changed:
                batch = self._chosen()
                if batch:  # not [] even if something waits, as the docstring of `_chosen` says
                    due = batch[0].work.arrived + self.limits.max_wait - time.monotonic()
                    if due <= 0 or len(batch) == self.limits.max_batch or self._running or self._stopping:
                        self._computing = len(batch)
                        taken = set(map(id, batch))
                        self._waiting = collections.deque(item for item in self._waiting if id(item) not in taken)
                        return batch
                    self._changed.wait(due)
                    continue
                if self._running or self._new_streams:
                    return []
                if self._stopping:
                    return None
                if not self._preparations:
                    self._changed.wait()
                    continue
                step = self._preparations.popleft()
            try:
                step()
            except Exception:  # the first request of this kind will say the same to its client
                LOG.exception("a preparation failed")

    def _chosen(self) -> list[_Item]:
        """Choose the batch of the oldest item, as the module says.

        Only one batch is computed step by step at a time: what comes meanwhile goes together afterwards.
        """
        stepping = any(isinstance(job, _Steps) for job in self._running)
        may_begin = [item for item in self._waiting if not (stepping and getattr(item.work.compute, "stepwise", False))]
        if not may_begin:
            return []
        oldest, shorter, batch = may_begin[0], [], []
        for item in may_begin:
            if item.work.compute == oldest.work.compute and 2 * item.width >= oldest.width >= item.width:
                (batch if item.width == oldest.width else shorter).append(item)
                if len(batch) == self.limits.max_batch:
                    return batch
        batch += shorter
        size = min(self.limits.max_batch, 1 << (len(batch).bit_length() - 1))
        return batch[:size]

    def _compute(self, batch: list[_Item]) -> None:
        """Compute a batch, and give the results away."""
        begin = time.monotonic()
        waited = begin - batch[0].work.arrived
        if getattr(batch[0].work.compute, "stepwise", False):
            self._begin_steps(batch)
            return
        _give(batch, self._results(batch))
        seconds = time.monotonic() - begin
        self._seconds_per_text += 0.1 * (seconds / len(batch) - self._seconds_per_text)
        if self.on_batch is not None:
            self.on_batch(len(batch), waited, seconds)

    def _begin_steps(self, batch: list[_Item]) -> None:
        """Begin a batch that is computed step by step."""
        try:
            iterator = batch[0].work.compute([item.payload for item in batch])
        except Exception as error:
            _give(batch, [_log(error)] * len(batch))
        else:
            self._running.append(_Steps(batch, iterator))

    def _results(self, batch: list[_Item]) -> list[Any]:
        """Return the result of each item, or its error. If a batch fails, each item is computed alone."""
        try:
            return list(batch[0].work.compute([item.payload for item in batch]))
        except Exception as error:
            if len(batch) > 1:
                return [result for item in batch for result in self._results([item])]
            return [_log(error)]

    def _advance(self) -> None:
        """Compute one piece of each stream; begin those that wait, if there is room."""
        with self._changed:
            while self._new_streams and len(self._running) < self.limits.max_streams:
                self._running.append(self._new_streams.popleft())
        for job in list(self._running):
            if job.cancelled or not job.advance():
                job.close()
                self._running.remove(job)


def _give(batch: list[_Item], results: Sequence[Any]) -> None:
    """Give the results of a batch, or errors, to those who wait."""
    done: dict[int, tuple[_Work, list[tuple[int, Any]]]] = {}
    for item, result in zip(batch, results):
        if isinstance(result, BaseException):
            _tell(item.work.loop, item.work.fail, result)
        else:
            done.setdefault(id(item.work), (item.work, []))[1].append((item.index, result))
    for work, found in done.values():
        _tell(work.loop, work.put, found)


def _log(error: Exception) -> Exception:
    """Log an error of a model, and return it."""
    if not isinstance(error, Refusal):
        LOG.error("the model failed", exc_info=error)
    return error


def _close(iterator: Any) -> None:
    """End an iterator, if it can be ended."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def _tell(loop: Any, function: Callable[..., Any], *args: Any) -> None:
    """Call a function in the thread of an event loop, unless that has ended."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # the loop is closed: nobody waits any more
        pass
