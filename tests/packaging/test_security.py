"""SECURITY.md promises nothing without a test: every promise names one, and every test that it names is there."""

import ast
import re

import pytest

from support.workspace import ROOT, imported_modules, module_name, sources

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISED = TEXT[TEXT.index("## What is promised") : TEXT.index("## What is not promised")]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
NETWORK = {"socket", "ssl", "http", "urllib.request", "ftplib", "smtplib", "telnetlib", "xmlrpc", "asyncio", "requests"}
# These listen, and open no connection.
SERVES = ("b4k3.snippets.serving", "b4k3.snippets.http_server", "b4k3.tasks.serving")


def promises():
    """The points of the lists of what is promised, each in one line."""
    return [" ".join(point.split()) for point in re.findall(r"^- (.*?)(?=^- |^#|\Z)", PROMISED, re.M | re.S)]


@pytest.mark.parametrize("path, name", NAMED, ids=lambda value: value)
def test_named_tests_are_there(path, name):
    functions = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    assert name in {node.name for node in functions if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[:40])
def test_every_promise_names_its_test(promise):
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", promise)


def test_there_are_promises_and_every_name_is_understood():
    assert len(promises()) >= 10
    assert TEXT.count("`tests/") == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))


def test_nothing_reaches_the_network():
    """No module imports one that could open a connection, except those that serve."""
    reaching = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sources()
        if not module_name(path).startswith(SERVES)
        for name, line in imported_modules(path)
        if name in NETWORK or name.split(".")[0] in NETWORK
    ]
    assert not reaching
