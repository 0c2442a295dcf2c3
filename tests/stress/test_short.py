"""The short form of `hatch run stress`: every promise that it measures holds."""

import pytest

from stress.run import TOPICS, main, measured


@pytest.mark.parametrize("name", TOPICS)
def test_short(name):
    rows = measured(name, short=True)
    assert rows
    assert not [row for row in rows if not row[-1]]


def test_the_table_and_the_exit_status(monkeypatch, capsys):
    import stress.run

    found = {"good": [("what", "1 s", True)], "bad": [("another thing", "9 MB", False)]}
    monkeypatch.setattr(stress.run, "TOPICS", list(found))
    monkeypatch.setattr(stress.run, "topic", lambda name: type("Topic", (), {"measure": lambda short: found[name]}))
    assert main(["--only", "good"]) == 0
    assert main([]) == 1
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert lines[0].split() == ["topic", "measured", "figure", "promise"]
    assert lines[2].endswith("1 s     holds") and lines[3].endswith("9 MB    BROKEN")
    assert lines[2].index("1 s") == lines[3].index("9 MB") == lines[0].index("figure")


def test_a_topic_that_fails_is_a_broken_promise(monkeypatch, capsys):
    import stress.run

    monkeypatch.setattr(stress.run, "topic", lambda name: 1 / 0)
    ((_, _, figure, holds),) = measured("any", short=True)
    assert figure.startswith("ZeroDivisionError") and not holds
