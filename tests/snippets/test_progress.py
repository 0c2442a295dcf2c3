import io

import pytest

from b4k3.snippets import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal_is_wiped_away():
    terminal = Terminal()
    assert list(progress([10, 20, 30, 40], "Reading", file=terminal)) == [10, 20, 30, 40]
    frames = terminal.getvalue().split("\r\x1b[K")
    assert [frame.split(" ")[0] for frame in frames[1:-1]] == ["Reading"] * 4
    assert "[######..................] 1/4" in frames[2] and frames[-1] == ""


def test_without_a_length_it_counts():
    terminal = Terminal()
    assert list(progress(iter("ab"), lambda item: "item " + item, file=terminal)) == ["a", "b"]
    assert "item a 0, " in terminal.getvalue() and "item b 1, " in terminal.getvalue()


def test_elsewhere_there_is_nothing():
    file = io.StringIO()
    assert list(progress(range(3), "Reading", file=file)) == [0, 1, 2] and file.getvalue() == ""


def test_the_bar_goes_when_the_loop_fails():
    terminal = Terminal()
    bar = progress([1, 2], file=terminal)
    next(bar)
    with pytest.raises(KeyError):
        bar.throw(KeyError)
    assert terminal.getvalue().endswith("\r\x1b[K")
