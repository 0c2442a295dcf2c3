"""The model thread: which texts go together, and what becomes of the others."""

import asyncio
import threading

import pytest

from b4k3.tasks.serving.limits import Limits
from b4k3.tasks.serving.model_thread import Call, ModelThread, Row
from b4k3.tasks.serving.refusals import Refusal


class Model:
    """A function of batches that begins when it may, and notes what it was given."""

    def __init__(self):
        self.batches, self.open = [], threading.Event()

    def __call__(self, payloads):
        self.open.wait(10)
        self.batches.append(list(payloads))
        if "bad" in payloads:
            raise ValueError("bad")
        return [payload.upper() for payload in payloads]


def run(case, **limits):
    """Run a case with a model and its thread; the first text keeps the thread busy until the model opens."""
    model = Model()
    thread = ModelThread(Limits(**dict(dict(max_wait=0.0), **limits)))

    async def all_of_it():
        first = asyncio.ensure_future(thread.compute(model, [Row(1, "first")]))
        while not thread._computing:
            await asyncio.sleep(0.001)
        result = await asyncio.wait_for(case(thread, model), 20)
        assert await first == ["FIRST"]
        return result

    try:
        return asyncio.run(all_of_it()), model.batches[1:]
    finally:
        model.open.set()
        thread.stop()


async def all_at_once(thread, model, *requests):
    """Send requests in this order, then open the model; return the results or errors."""
    tasks = []
    for rows in requests:
        tasks.append(asyncio.ensure_future(thread.compute(model, rows)))
        await asyncio.sleep(0)
    model.open.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    "lengths, batches",
    [
        ([20, 300, 18, 22, 11], ["acde", "b"]),  # the example of the module
        ([20, 18, 22], ["ab", "c"]),  # a power of 2
        ([8] * 6, ["abcd", "ef"]),  # max_batch
        ([11, 24], ["a", "b"]),  # longer texts do not join
        ([48, 16], ["a", "b"]),  # nor much shorter ones
    ],
)
def test_texts_that_go_together(lengths, batches):
    requests = [[Row(length, "abcdef"[i])] for i, length in enumerate(lengths)]
    results, found = run(lambda thread, model: all_at_once(thread, model, *requests), max_batch=4)
    assert ["".join(batch) for batch in found] == batches
    assert results == [["ABCDEF"[i]] for i in range(len(lengths))]


def test_the_rows_of_a_request_keep_their_order():
    rows = [Row(length, text) for length, text in zip([5, 100, 6, 30, 7], "abcde")]
    results, _ = run(lambda thread, model: all_at_once(thread, model, rows), max_batch=4)
    assert results == [list("ABCDE")]


def test_a_text_that_fails_spares_the_others():
    requests = [[Row(4, "a")], [Row(4, "bad")], [Row(4, "c")], [Row(4, "d")]]
    results, found = run(lambda thread, model: all_at_once(thread, model, *requests))
    assert results[0] == ["A"] and results[2:] == [["C"], ["D"]] and isinstance(results[1], ValueError)
    assert found == [["a", "bad", "c", "d"], ["a"], ["bad"], ["c"], ["d"]]


def test_cancelled_texts_are_not_computed():
    async def case(thread, model):
        gone = asyncio.ensure_future(thread.compute(model, [Row(4, "x"), Row(4, "y")]))
        stays = asyncio.ensure_future(thread.compute(model, [Row(4, "a")]))
        await asyncio.sleep(0)
        assert thread.waiting == 3
        gone.cancel()
        await asyncio.sleep(0)
        assert thread.waiting == 1
        model.open.set()
        return await stays

    assert run(case) == (["A"], [["a"]])


def test_a_full_queue():
    async def case(thread, model):
        waits = asyncio.ensure_future(thread.compute(model, [Row(4, "a"), Row(4, "b")]))
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as info:
            await thread.compute(model, [Row(4, "c"), Row(4, "d")])
        assert info.value.status == 429 and 1 <= info.value.retry_after <= 60
        model.open.set()
        return await waits

    assert run(case, max_queue=3)[0] == ["A", "B"]


def test_steps_and_streams_take_turns_with_other_work():
    order = []

    def steps(payloads):
        for i in range(4):
            order.append(f"step {i}")
            yield
        return [payload * 2 for payload in payloads]

    def stream():
        for i in range(4):
            order.append(f"piece {i}")
            yield str(i)

    async def collect(thread, count):
        pieces = []
        async for piece in thread.stream(stream):
            pieces.append(piece)
            if len(pieces) == count:
                break
        return pieces

    async def case(thread, model):
        work = Call(steps, stepwise=True)
        jobs = [
            asyncio.ensure_future(job)
            for job in (thread.compute(work, [Row(4, "a")]), thread.compute(work, [Row(4, "b")]), collect(thread, 9))
        ]
        await asyncio.sleep(0.01)
        model.open.set()
        return await asyncio.gather(*jobs)

    results, _ = run(case)
    assert results == [["aa"], ["bb"], list("0123")]
    assert [name for name in order if name.startswith("step")] == [f"step {i}" for i in range(4)]  # one batch
    # The stream may have begun a little earlier, as the first batch was still at work. Then it is each one's turn.
    assert abs(order.index("piece 3") - order.index("step 1")) <= 3, order


def test_a_stream_that_nobody_reads_ends():
    ended = threading.Event()

    def endless():
        try:
            while True:
                yield "x"
        finally:
            ended.set()

    async def case(thread, model):
        model.open.set()
        pieces = thread.stream(endless)
        await pieces.__anext__()
        await pieces.aclose()
        return await asyncio.get_running_loop().run_in_executor(None, ended.wait, 10)

    assert run(case)[0]


def test_the_end_waits_for_what_has_come():
    async def case(thread, model):
        waits = asyncio.ensure_future(thread.compute(model, [Row(4, "a")]))
        await asyncio.sleep(0)
        stopped = asyncio.get_running_loop().run_in_executor(None, thread.stop)
        model.open.set()
        await stopped
        return await waits

    assert run(case)[0] == ["A"]


@pytest.mark.parametrize("wrong", [dict(max_batch=12), dict(timeout=0), dict(max_texts=2000), dict(max_wait=-1)])
def test_limits_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match="--" + next(iter(wrong)).replace("_", "-")):
        Limits(**wrong).checked()
