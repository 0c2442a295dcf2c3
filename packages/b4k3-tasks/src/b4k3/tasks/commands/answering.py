"""Answer the lines of a window, and find the wrong ones among them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Sequence

from .lines import Line, good

if TYPE_CHECKING:
    from typing_extensions import Protocol

    class LineTask(Protocol):
        """What a command does with texts. Its model is not pickled: another process opens it again.

        Attributes:
            size: int. The number of numbers in an answer that is a vector; 0 for other answers.
            columns: dict from each key of an answer to the type of its value: str, int, float or np.float32; a list of
                one of these for a list; a dict for an object.

        Example:
            >>> class Length:
            ...     size, columns = 0, {"length": int}
            ...
            ...     def open(self):
            ...         pass
            ...
            ...     def answers(self, texts, first):
            ...         return [{"length": len(text)} for text in texts]
            >>> Length().answers(["a cat"], first=0)
            [{'length': 5}]
        """

        @property
        def size(self) -> int:
            """The number of numbers in an answer that is a vector; 0 for other answers."""
            ...

        @property
        def columns(self) -> dict[str, Any]:
            """The keys of an answer and the types of their values."""
            ...

        def open(self) -> None:
            """Open the model, unless it is open."""
            ...

        def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
            """Answer texts.

            Arguments:
                texts: list of str, or of (str, str).
                first: int. The number of rows before them.

            Returns:
                sequence with an answer for each text: a dict, or a vector.
            """
            ...


NOTE = re.compile(r"(\d+) of (\d+) (texts .*)")


def answer_window(lines: list[Line], task: LineTask, first: int) -> tuple[list[Line], dict[int, Any]]:
    """Answer the lines of a window; if that fails, each line alone, to find the wrong ones.

    Arguments:
        lines: list of `Line`.
        task: `LineTask`.
        first: int. The number of lines before them.

    Returns:
        lines: list of `Line`. More of them are wrong if they could not be answered.
        answers: dict from the number of a line to its answer, and from 0 to `task.size`.

    Raises:
        ValueError: no line of the first window can be answered, so that an argument is wrong.

    Example:
        >>> from b4k3.tasks.commands.answering import answer_window
        >>> from b4k3.tasks.commands.lines import read_line
        >>> class Length:
        ...     size = 0
        ...
        ...     def answers(self, texts, first):
        ...         return [{"length": len(text)} for text in texts]
        >>> lines, answers = answer_window([read_line(1, b"a cat", as_json=False)], Length(), 0)
        >>> answers[1]
        {'length': 5}
    """
    fine = good(lines)
    try:
        found: Sequence[Any] = task.answers([line.text for line in fine], first) if fine else ()
        return lines, {0: task.size, **{line.number: answer for line, answer in zip(fine, found)}}
    except ValueError:  # ConfigError is one
        answers, wrong, error = {0: task.size}, {}, None
        for line in fine:
            try:
                answers[line.number] = task.answers([line.text], first)[0]
            except ValueError as e:
                wrong[line.number], error = " ".join(str(e).replace("texts[0]", "text").split()), e
        if error is not None and len(answers) == 1 and not first:
            raise error from None  # no line of the first window can be answered: an argument is wrong
        return [line._replace(error=wrong.get(line.number, line.error)) for line in lines], answers


class Notes:
    """The sums of the warnings that count texts.

    Attributes:
        counts: dict from what a warning says of texts to [how many, of how many].

    Example:
        >>> from b4k3.tasks.commands.answering import Notes
        >>> notes = Notes()
        >>> notes.add_counts({"texts were cut": [1, 10]})
        >>> notes.add_counts({"texts were cut": [2, 10]})
        >>> notes.counts
        {'texts were cut': [3, 20]}
    """

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    def add(self, caught: Sequence[Any]) -> None:
        """Add up the warnings that count texts.

        Arguments:
            caught: list of what `warnings.catch_warnings` recorded. Warnings of other packages are passed over.
        """
        for warning in caught:
            match = NOTE.match(str(warning.message))
            if match is not None:
                self.add_counts({match.group(3): [int(match.group(1)), int(match.group(2))]})

    def add_counts(self, counts: dict[str, list[int]]) -> None:
        """Add the sums of others.

        Arguments:
            counts: dict, as `counts` is.
        """
        for what, (some, all_) in counts.items():
            count = self.counts.setdefault(what, [0, 0])
            count[0], count[1] = count[0] + some, count[1] + all_

    def write(self) -> None:
        """Write the sums to standard error."""
        for what, (some, all_) in self.counts.items():
            sys.stderr.write(f"note: {some} of {all_} {what}\n")
