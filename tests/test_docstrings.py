"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib.util
import pkgutil
from pathlib import Path

import pytest

PACKAGES = ("models", "snippets")
PARSER = doctest.DocTestParser()


def modules():
    """The names of the modules that have examples."""
    for package in PACKAGES:
        root = importlib.import_module(f"b4k3.{package}")
        for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
            path = Path(importlib.util.find_spec(module.name).origin)
            if ">>> " in path.read_text(encoding="utf-8"):
                yield module.name


def examples(module):
    """The examples of a module, each once: classes may share a docstring."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    return list({test.docstring: test for test in found if test.examples}.values())


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """An example may register a network or a dialect, which other tests must not see."""
    from b4k3.models import registry

    monkeypatch.setattr(registry, "ARCHITECTURES", dict(registry.ARCHITECTURES))
    monkeypatch.setattr(registry, "DIALECTS", dict(registry.DIALECTS))
    yield
    registry.network.cache_clear()


@pytest.mark.parametrize("module", modules())
def test_examples(module):
    runner = doctest.DocTestRunner(verbose=False)
    report = []
    for test in examples(module):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_a_wrong_result_is_an_error():
    test = PARSER.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed == 1
