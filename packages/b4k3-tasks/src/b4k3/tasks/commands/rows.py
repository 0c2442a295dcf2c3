"""Where the rows of a command go: a file that an interrupted run can continue, or standard output."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterator, Mapping, Sequence, Union

import numpy as np

from b4k3.models import ConfigError
from b4k3.models.cli.vectors import JsonlFile, NpyFile

from .lines import Line, row_of


class JsonRows(JsonlFile):
    """A file with a JSON object for each line.

    Arguments:
        path: str. The name that the file gets when it is complete.
        settings: dict that JSON can hold. The settings that an interrupted run must share with this one.
        restart: bool. Whether to forget an interrupted run.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.commands.lines import read_line
        >>> from b4k3.tasks.commands.rows import JsonRows
        >>> path = os.path.join(tempfile.mkdtemp(), "labels.jsonl")
        >>> with JsonRows(path, {}, restart=False) as rows:
        ...     rows.add_lines([read_line(1, b"a cat", as_json=False)], {1: {"label": "animal"}})
        ...     rows.end(0)
        >>> open(path).read()
        '{"label": "animal"}\\n'
    """

    def add_lines(self, lines: Sequence[Line], answers: Mapping[int, Any]) -> None:
        """Append the rows of lines.

        Arguments:
            lines: list of `Line`.
            answers: dict from the number of a line to its answer.
        """
        self.size = 0
        self.wrong += sum(bool(line.error) for line in lines)
        data = "".join(row_of(line, answers.get(line.number)) + "\n" for line in lines)
        self.append(data.encode("utf-8"), [line.raw for line in lines])

    def end(self, size: int) -> None:
        """Complete the file and give it its name.

        Arguments:
            size: int. Not used.
        """
        self.size = 0
        self.finish(0)


class NpyRows(NpyFile):
    """A file with a vector for each line; the vector of a line that is wrong is NaN.

    Arguments:
        path: str. The name that the file gets when it is complete.
        settings: dict that JSON can hold. The settings that an interrupted run must share with this one.
        restart: bool. Whether to forget an interrupted run.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.commands.lines import read_line
        >>> from b4k3.tasks.commands.rows import NpyRows
        >>> path = os.path.join(tempfile.mkdtemp(), "vectors.npy")
        >>> with NpyRows(path, {}, restart=False) as rows:
        ...     lines = [read_line(1, b"a cat", as_json=False), read_line(2, b"{", as_json=True)]
        ...     rows.add_lines(lines, {0: 2, 1: np.array([0.5, 2.0])})
        ...     rows.end(2)
        >>> np.load(path)
        array([[0.5, 2. ],
               [nan, nan]], dtype=float32)
    """

    def add_lines(self, lines: Sequence[Line], answers: Mapping[int, Any]) -> None:
        """Append the vectors of lines.

        Arguments:
            lines: list of `Line`.
            answers: dict from the number of a line to its vector, [d]; and from 0 to d.
        """
        vectors = np.full((len(lines), answers[0]), np.nan, dtype="float32")
        for vector, line in zip(vectors, lines):
            if not line.error:
                vector[:] = answers[line.number]
        self.wrong += sum(bool(line.error) for line in lines)
        self.add(vectors, [line.raw for line in lines])

    def end(self, size: int) -> None:
        """Complete the file and give it its name.

        Arguments:
            size: int. The number d of numbers in a vector.
        """
        self.finish(size)


class PrintedRows:
    """Rows that are given to a function as JSON. An interrupted run cannot be continued.

    Arguments:
        write: function that takes a line, without its end.

    Attributes:
        rows: int. The number of rows.
        wrong: int. How many of them say what is wrong with their line.

    Example:
        >>> from b4k3.tasks.commands.lines import read_line
        >>> from b4k3.tasks.commands.rows import PrintedRows
        >>> with PrintedRows(print) as rows:
        ...     rows.add_lines([read_line(1, b"a cat", as_json=False)], {1: {"label": "animal"}})
        {"label": "animal"}
    """

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write, self.rows, self.wrong = write, 0, 0

    def __enter__(self) -> PrintedRows:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def skip(self, lines: Iterator[str]) -> None:
        """Do nothing: there is no earlier run whose lines could be passed over.

        Arguments:
            lines: the lines of the text.
        """

    def add_lines(self, lines: Sequence[Line], answers: Mapping[int, Any]) -> None:
        """Give the rows of lines to the function.

        Arguments:
            lines: list of `Line`.
            answers: dict from the number of a line to its answer.
        """
        for line in lines:
            self.write(row_of(line, answers.get(line.number)))
        self.rows += len(lines)
        self.wrong += sum(bool(line.error) for line in lines)

    def end(self, size: int) -> None:
        """Do nothing: every row has been given away already.

        Arguments:
            size: int. Not used.
        """


Rows = Union[JsonRows, NpyRows, PrintedRows]


def rows_class(output: str | None, npy: bool) -> type[JsonRows | NpyRows] | None:
    """Find the class of an output.

    Arguments:
        output: str or None. The file; None is standard output.
        npy: bool. Whether the command can write .npy.

    Returns:
        class, or None for standard output.

    Raises:
        ConfigError: the name has another suffix.
    """
    if output is None:
        return None
    if output.endswith(".jsonl"):
        return JsonRows
    if npy and output.endswith(".npy"):
        return NpyRows
    raise ConfigError(f"--output {output}: the name should end in {'.npy or ' * npy}.jsonl")


def refuse_inputs(output: str | None, inputs: Sequence[str | None]) -> None:
    """Raise ConfigError if the output is a file that is read.

    Arguments:
        output: str or None.
        inputs: list of str or None. The files.

    Raises:
        ConfigError: one of them is the output.
    """
    for path in inputs:
        if output and path and os.path.exists(output) and os.path.exists(path) and os.path.samefile(path, output):
            raise ConfigError(f"--output {output} is {path}, which is read; name another")
