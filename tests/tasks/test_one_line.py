"""A task in one line; the tests of each task have its own line."""

from b4k3.tasks.one_line import one_line, shown_labels


class Task:
    maxlen = 8


def test_what_comes_from_a_file_is_escaped_and_cut():
    line = one_line(Task(), [shown_labels(["a\nb\x1b", "x" * 99])])
    assert line == "<Task: 2 labels (a\\nb\\x1b, " + "x" * 29 + "…), at most 8 tokens>"
    assert one_line(type("Bare", (), {})()) == "<Bare>"


def test_labels():
    assert [shown_labels(labels) for labels in (None, [], ["a"])] == ["", "", "1 label (a)"]
