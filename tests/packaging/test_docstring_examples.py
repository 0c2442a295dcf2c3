"""The examples in docstrings run, give what they print, and have the shapes that their comments say."""

import ast
import doctest
import importlib
import re

import numpy as np
import pytest

from support.docstrings import examples

SHAPE = re.compile(r"#\s*\[([^\]]*)\]\s*$")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Checker(doctest.OutputChecker):
    """Accept every output where the example shows none."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


class Shapes:
    """Compare shapes with comments, in which one word stands for one size."""

    def __init__(self):
        self.sizes = {}

    def check(self, value, comment):
        found = tuple(value.shape)
        words = [word.strip() for word in comment.split(",")] if comment.strip() else []
        assert len(found) == len(words), f"shape {found}, the comment says [{comment}]"
        for size, word in zip(found, words):
            expected = int(word) if word.isdigit() else self.sizes.setdefault(word, size)
            assert size == expected, f"shape {found}, the comment says [{comment}]"


def with_shape_checks(lines):
    """The examples; after each assignment with a shape in its comment comes a check of it."""
    for line in lines:
        yield line
        comment = SHAPE.search(line.source)
        statement = ast.parse(line.source).body[0]
        if comment and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            source = f"_shapes.check({statement.targets[0].id}, {comment.group(1)!r})\n"
            yield doctest.Example(source, "", lineno=line.lineno)


def namespace(module):
    """keras, ops, np, what `from package import *` gives, and the names of the module itself."""
    from b4k3.backend import keras, ops

    package = importlib.import_module(".".join(module.split(".")[:2]))
    names = {name: getattr(package, name) for name in getattr(package, "__all__", None) or package._NAMES}
    own = {k: v for k, v in vars(importlib.import_module(module)).items() if not k.startswith("_")}
    return {**names, **own, "keras": keras, "ops": ops, "np": np, "__name__": "example", "_shapes": Shapes()}


RUN = [example for example in examples() if "._keras2" not in example[0]]  # the default environment has Keras 3


def run(module, name, text):
    """What doctest reports of an example; nothing if all is well."""
    lines = list(with_shape_checks(doctest.DocTestParser().get_examples(text)))
    test = doctest.DocTest(lines, namespace(module), name, module, 0, text)
    report = []
    doctest.DocTestRunner(Checker(), verbose=False, optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    """An example may write files, or register a network or a dialect, which other tests must not see."""
    from b4k3.models import registry

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "ARCHITECTURES", dict(registry.ARCHITECTURES))
    monkeypatch.setattr(registry, "DIALECTS", dict(registry.DIALECTS))
    yield
    registry.network.cache_clear()


@pytest.mark.parametrize("module, name, text", RUN, ids=[f"{module}.{name}" for module, name, _ in RUN])
def test_example_runs(module, name, text):
    assert not run(module, name, text)


WRONG = {
    "an exception": ">>> ops.zeros((2, 3)) + undefined\n",
    "another output": ">>> 1 + 1\n3\n",
    "another size": ">>> x = ops.zeros((2, 3))  # [2, 4]\n",
    "another number of axes": ">>> x = ops.zeros((2, 3))  # [batch, 3, 1]\n",
    "two sizes of one name": ">>> x = ops.zeros((2, 3))  # [n, n]\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_example_is_found(text):
    assert run("b4k3.backend.tensors", "wrong", text)
