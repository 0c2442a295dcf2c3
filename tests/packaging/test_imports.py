"""What an import brings along, on every row: seen from a new process."""

import ast
import importlib
import inspect
import json
import subprocess
import sys

import pytest

from support.workspace import FRAMEWORKS, PACKAGES


def loaded_by(statement):
    """Top-level names of the modules that an import statement loads."""
    code = (
        f"import json, sys; before = set(sys.modules); {statement}; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    output = subprocess.check_output([sys.executable, "-c", code], universal_newlines=True)
    return {name.split(".")[0] for name in json.loads(output.splitlines()[-1])}


@pytest.mark.parametrize(
    "module",
    "backend layers models models.checkpoints optimizers snippets tasks".split(),
)
def test_import_starts_no_framework(module):
    assert not loaded_by("import b4k3." + module) & FRAMEWORKS


def test_tokenizers_load_only_the_standard_library():
    """All of its names; `import b4k3.tokenizers` alone would load nothing."""
    third_party = {
        name
        for name in loaded_by("from b4k3.tokenizers import *") - {"b4k3"}
        if "site-packages" in (getattr(importlib.import_module(name), "__file__", None) or "")
    }
    assert not third_party


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_every_public_name(package):
    """A lazy package shows its names to checkers by imports under TYPE_CHECKING; its table says the same."""
    module = importlib.import_module("b4k3." + package)
    with open(module.__file__, encoding="utf-8") as f:
        body = ast.parse(f.read()).body
    conditions = [node for node in body if isinstance(node, ast.If)]
    blocks = [node.body for node in conditions if getattr(node.test, "id", "") == "TYPE_CHECKING"]
    imports = [node for node in body + sum(blocks, []) if isinstance(node, ast.ImportFrom)]
    shown = {name.asname: node.module for node in imports for name in node.names}
    assert {name: shown.get(name) for name in module._NAMES} == {k: v.lstrip(".") for k, v in module._NAMES.items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_say_what_they_are(package):
    module = importlib.import_module("b4k3." + package)
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        ours = getattr(value, "__module__", "").startswith("b4k3.") and (
            inspect.isclass(value) or inspect.isfunction(value)
        )
        assert not ours or value.__doc__, f"b4k3.{package}.{name} has no docstring"
