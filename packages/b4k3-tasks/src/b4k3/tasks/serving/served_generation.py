"""Generation as the server uses it: step by step, so that other requests are answered meanwhile."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple, Sequence

from b4k3.models import ConfigError

from .refusals import Refusal


class Prompt(NamedTuple):
    """A text that is continued.

    Attributes:
        text: str.
        stops: tuple of str. Texts at which the answer ends.

    Example:
        >>> from b4k3.tasks.serving.served_generation import Prompt
        >>> Prompt("Once upon", ()).text
        'Once upon'
    """

    text: str
    stops: tuple[str, ...]


class Finish(NamedTuple):
    """How an answer ended.

    Attributes:
        reason: str. "stop" at the end or at a text that ends it, "length" at the number of tokens.
        tokens: int. The number of tokens that were generated, without the end.
        text: str. The answer, of a batch; pieces of a stream have it already.

    Example:
        >>> from b4k3.tasks.serving.served_generation import Finish
        >>> Finish("length", 16).reason
        'length'
    """

    reason: str
    tokens: int
    text: str = ""


class _Tokens:
    """The ids of an answer, counted while they are read."""

    def __init__(self, ids: Iterable[int], ends: Sequence[int]) -> None:
        self.ids, self.ends = ids, ends
        self.count, self.reason = 0, "stop"  # a text that ends the answer is found before all ids are read

    def __iter__(self) -> Iterator[int]:
        for i in self.ids:
            if int(i) in self.ends:
                return
            self.count += 1
            yield int(i)
        self.reason = "length"


def check_room(texts: Sequence[str], task: Any, max_tokens: int) -> None:
    """Refuse prompts that leave no room for an answer, as they would be cut.

    Arguments:
        texts: list of str.
        task: `TextGenerator`.
        max_tokens: int. How many tokens are generated at most.

    Raises:
        Refusal: a prompt is too long. The message says which one.
    """
    try:
        kept = task._prompts(texts, max_tokens)
    except ConfigError as error:
        raise Refusal(400, str(error)) from None
    for i, (row, whole) in enumerate(zip(kept, task._form.prompts(texts, None).rows)):
        if len(row) < len(whole):
            raise Refusal(
                400,
                f"prompt {i} has {len(whole)} tokens, and with {max_tokens} new ones the model takes {len(row)}; "
                "shorten it, or lower max_tokens",
                "context_length_exceeded",
                "prompt",
            )


def generate(prompts: list[Prompt], task: Any, max_tokens: int, options: tuple[tuple[str, Any], ...]) -> Iterator[None]:
    """Answer a batch of prompts, token by token.

    Arguments:
        prompts: list of `Prompt`.
        task: `TextGenerator`.
        max_tokens: int. How many tokens are generated at most.
        options: tuple of (name, value). Further arguments of `Transformer.generate`.

    Returns:
        iterator of None, one for each token, whose `return` value is a list of `Finish`.

    Raises:
        Refusal: an argument is wrong.
    """
    try:
        rows = task._prompts([prompt.text for prompt in prompts], max_tokens)
        steps = task._generate(rows, max_tokens, dict(options, stream=True))
        columns: list[Any] = []
        open_rows = set(range(len(rows)))
        for column in steps:
            columns.append(column)
            open_rows -= {i for i in open_rows if int(column[i]) in task.end_ids}
            if not open_rows:
                break
            yield
    except ConfigError as error:
        raise Refusal(400, str(error)) from None
    results = []
    for i, (prompt, row) in enumerate(zip(prompts, rows)):
        tokens = _Tokens((column[i] for column in columns), task.end_ids)
        text = "".join(task._stream(row, prompt.stops).pieces(tokens))
        results.append(Finish(tokens.reason, tokens.count, text))
    return results  # type: ignore[return-value]  # the value of the iterator


def stream(prompt: Prompt, task: Any, max_tokens: int, options: tuple[tuple[str, Any], ...]) -> Iterator[Any]:
    """Answer a prompt piece by piece.

    Arguments:
        prompt: `Prompt`.
        task: `TextGenerator`.
        max_tokens: int. How many tokens are generated at most.
        options: tuple of (name, value). Further arguments of `Transformer.generate`.

    Yields:
        str, and at last `Finish`.

    Raises:
        Refusal: an argument is wrong.
    """
    try:
        row = task._prompts([prompt.text], max_tokens)[0]
        steps = task._generate([row], max_tokens, dict(options, stream=True))
        tokens = _Tokens((column[0] for column in steps), task.end_ids)
        yield from task._stream(row, prompt.stops).pieces(tokens)
    except ConfigError as error:
        raise Refusal(400, str(error)) from None
    yield Finish(tokens.reason, tokens.count)
