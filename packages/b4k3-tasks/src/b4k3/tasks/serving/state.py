"""What all requests of a server share."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Mapping, Sequence

from b4k3.models import ConfigError

from .limits import Limits
from .model_thread import Call, ModelThread, Row
from .refusals import Refusal
from .served_tasks import ServedTask, attention, classify, encode, fill_mask, tag

SHORT = 2000  # texts with fewer characters are tokenized at once, in less time than another thread needs to begin


class State:
    """The tasks, the limits and the model thread of a server.

    Arguments:
        name: str. The name of the model.
        tasks: dict from the name of a task to `ServedTask`.
        limits: `Limits`.
        api_key: str or None. The key that requests must have; None if they need none.

    Attributes:
        counters: `Counters`.
        thread: `ModelThread`.
        draining: bool. Whether new requests are refused because the server is about to end.
        open_requests: int. The requests whose answer is not at its end.
        created: int. When the server began, in seconds since 1970.

    Raises:
        ImportError: prometheus-client is not installed.

    Example:
        >>> from b4k3.tasks.serving.limits import Limits
        >>> from b4k3.tasks.serving.state import State
        >>> state = State("none", {}, Limits())
        >>> state.draining
        False
        >>> state.thread.stop()
    """

    def __init__(self, name: str, tasks: Mapping[str, ServedTask], limits: Limits, api_key: str | None = None) -> None:
        from .counters import Counters

        self.name, self.tasks, self.limits, self.api_key = name, tasks, limits, api_key
        self.thread = ModelThread(limits, lambda *batch: self.counters.batch(*batch))
        self.counters = Counters(lambda: self.thread.waiting, lambda: self.thread.unprepared)
        self.draining = False
        self.open_requests = 0
        self.created = int(time.time())

    def prepare(self) -> None:
        """Make the networks ready for usual lengths while nobody asks for anything."""
        heights = [1 << i for i in range(self.limits.max_batch.bit_length())]
        plain = {"encode": encode, "classify": classify, "tag": tag}
        for name, function in plain.items():
            if name in self.tasks:
                options = (self.tasks[name].task, None) if name == "encode" else (self.tasks[name].task,)
                self.thread.prepare(self.tasks[name].preparations(Call(function, options), heights))

    def task(self, *names: str) -> ServedTask:
        """Return the first of some tasks that the server has.

        Arguments:
            names: str. Names of tasks.

        Returns:
            `ServedTask`.

        Raises:
            Refusal: it has none of them.
        """
        for name in names:
            if name in self.tasks:
                return self.tasks[name]
        raise Refusal(
            404,
            f"this server has the tasks {', '.join(sorted(self.tasks))}, and this needs {' or '.join(names)}",
            "task_not_served",
        )

    def check_model(self, name: str | None) -> None:
        """Refuse a request for another model.

        Arguments:
            name: str or None. The name that the request has.

        Raises:
            Refusal: it is another name.
        """
        if name is not None and name != self.name:
            raise Refusal(404, f"there is no model {name!r}, only {self.name!r}", "model_not_found", "model")

    async def rows(self, task: ServedTask, texts: Sequence[Any], truncate: bool, field: str = "input") -> list[Row]:
        """Tokenize texts, and hold them to the limits.

        Arguments:
            task: `ServedTask`.
            texts: list of str and of (str, str).
            truncate: bool. Whether texts that are too long are cut.
            field: str. The field of the texts, for the message.

        Returns:
            list of `Row`.

        Raises:
            Refusal: there are too many texts or tokens.
        """
        if len(texts) > self.limits.max_texts:
            message = (
                f"there are {len(texts)} texts, and a request may have {self.limits.max_texts}; send several requests"
            )
            raise Refusal(400, message, "too_many_texts", field)
        size = sum(len(text) if isinstance(text, str) else len(text[0]) + len(text[1]) for text in texts)
        if size < SHORT:
            rows = task.rows(texts, truncate)
        else:
            rows = await asyncio.get_running_loop().run_in_executor(None, task.rows, texts, truncate)
        tokens = sum(row.length for row in rows)
        if tokens > self.limits.max_tokens:
            message = (
                f"there are {tokens} tokens, and a request may have {self.limits.max_tokens}; send several requests"
            )
            raise Refusal(400, message, "context_length_exceeded", field)
        self.counters.tokens.labels("read").inc(tokens)
        return rows

    async def vectors(self, texts: Sequence[str], truncate: bool, prompt_name: str | None = None) -> tuple[Any, int]:
        """Compute the vectors of texts.

        Arguments:
            texts: list of str.
            truncate: bool. Whether texts that are too long are cut.
            prompt_name: str or None. The name of a prompt of the model.

        Returns:
            (list of float32 arrays [d], the number of tokens).

        Raises:
            Refusal: the texts are refused.
        """
        task = self.task("encode")
        if prompt_name is not None and prompt_name not in task.task.prompts:
            known = ", ".join(sorted(task.task.prompts)) or "none"
            raise Refusal(400, f"there is no prompt {prompt_name!r}; the prompts are: {known}", param="prompt_name")
        rows = await self.rows(task, texts, truncate)
        found = await self.thread.compute(Call(encode, (task.task, prompt_name)), rows)
        return found, sum(row.length for row in rows)

    async def answers(self, name: str, texts: Sequence[Any], truncate: bool, *options: Any) -> list[Any]:
        """Compute the answers of "classify", "tag" and "fill-mask".

        Arguments:
            name: str. The task.
            texts: list of str and of (str, str).
            truncate: bool. Whether texts that are too long are cut.
            options: further arguments of the function of the task.

        Returns:
            list, one answer for each text.

        Raises:
            Refusal: the texts are refused.
        """
        task = self.task(name)
        function: Any = {"classify": classify, "tag": tag, "fill-mask": fill_mask}[name]
        rows = await self.rows(task, texts, truncate)
        return await self.thread.compute(Call(function, (task.task, *options)), rows)

    async def attention(self, text: str, layer: int) -> tuple[list[str], Any]:
        """Compute the attention weights of a layer.

        Arguments:
            text: str.
            layer: int. The number of the block.

        Returns:
            (list of tokens, float32 array, [heads, n, n]).

        Raises:
            Refusal: the text is too long, or the network has no such weights.
        """
        task = self.task("encode", "fill-mask", "classify", "tag", "generate")
        rows = await self.rows(task, [text], False)
        (found,) = await self.thread.compute(Call(attention, (task.task, layer)), rows)
        return found  # type: ignore[no-any-return]

    def model(self) -> dict[str, Any]:
        """Describe the model, as `/v1/models` does.

        Returns:
            dict.
        """
        task = next(iter(self.tasks.values()))
        labelled = {
            name: list(served.task.labels) for name, served in self.tasks.items() if hasattr(served.task, "labels")
        }
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "b4k3",
            "tasks": list(self.tasks),
            "maxlen": task.maxlen,
            "labels": labelled,
            "mask_token": self.tasks["fill-mask"].task.mask_token if "fill-mask" in self.tasks else None,
            "attention": _attention_sizes(task.task),
        }


def _attention_sizes(task: Any) -> dict[str, int] | None:
    """Return the numbers of layers and heads whose attention weights can be asked for; None if they cannot."""
    from ..attention import attention_network

    try:
        network = attention_network(task)
    except ConfigError:
        return None
    return {"layers": int(network.num_hidden_layers), "heads": int(network.num_attention_heads)}
