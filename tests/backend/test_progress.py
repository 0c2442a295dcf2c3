"""The progress bar that all packages share."""

import io

import pytest

from b4k3.backend._progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


LINES = [
    ({"total": 8}, (3, ""), "[#########...............] 3/8, 0 s"),
    ({"total": 8, "unit": "tokens"}, (9, "Writing"), "Writing [########################] 9/8 tokens, 0 s"),
    ({"unit": "lines"}, (3, ""), "3 lines, 0 s"),
    ({}, (3, "Reading"), "Reading 3, 0 s"),
]


@pytest.mark.parametrize("arguments, shown, want", LINES)
def test_a_line_is_drawn_on_a_terminal_and_erased(arguments, shown, want):
    file = Terminal()
    with ProgressBar(file=file, **arguments) as bar:
        bar.show(*shown)
        assert file.getvalue() == "\r\x1b[K" + want
    assert file.getvalue() == "\r\x1b[K" + want + "\r\x1b[K"


@pytest.mark.parametrize("file, shown", [(io.StringIO(), True), (Terminal(), False)], ids=["file", "not wanted"])
def test_nothing_is_written_elsewhere(file, shown):
    with ProgressBar(3, shown=shown, file=file) as bar:
        bar.show(1)
    assert file.getvalue() == ""


def test_it_is_erased_after_an_error():
    file = Terminal()
    with pytest.raises(KeyError), ProgressBar(3, file=file) as bar:
        bar.show(1)
        raise KeyError
    assert file.getvalue().endswith("\r\x1b[K")
