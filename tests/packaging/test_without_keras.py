"""What the packages answer where no Keras is installed: seen from a new process that finds no framework."""

import subprocess
import sys

import pytest

from support.workspace import FRAMEWORKS, PACKAGES

HIDE = f"""
import importlib, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(FRAMEWORKS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
# package -> names that need a Keras
NEED_KERAS = {
    "models": ("build_transformer_model", "BERT", "Dense", "LayerNormalization", "Model", "keras"),
    "layers": ("MultiHeadAttention", "Dense", "Model", "K", "custom_objects"),
    "backend": ("keras", "ops", "K", "Layer", "custom_objects", "activations"),
    "tasks": ("FillMask", "TextEncoder", "TextGenerator"),
}


def run(code, hide=True):
    """What Python prints; frameworks cannot be imported."""
    command = [sys.executable, "-c", (HIDE if hide else "") + code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_misspelt_name(package):
    code = f"""
module = importlib.import_module("b4k3.{package}")
assert not hasattr(module, "Nonsense") and not hasattr(module, "_nonsense") and not hasattr(module, "__wrapped__")
try:
    module.Nonsense
except AttributeError as error:
    assert "Nonsense" in str(error) and "install" not in str(error), error
try:
    from b4k3.{package} import Nonsense
except ImportError as error:
    assert "cannot import name 'Nonsense'" in str(error), error
else:
    raise AssertionError
"""
    run(code)


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_and_help(package):
    code = f"""
import inspect, pydoc
module = importlib.import_module("b4k3.{package}")
names = dir(module)
assert {{"__version__", *module._NAMES}} <= set(names)
assert set(module._NAMES) <= set(module.__all__)
inspect.getmembers(module)
assert pydoc.render_doc(module)
print(*[name for name in names if hasattr(module, name)])
"""
    found = run(code).split()
    assert "__version__" in found and not set(found) & set(NEED_KERAS.get(package, ()))


@pytest.mark.parametrize(
    "package, name", [(package, name) for package in sorted(NEED_KERAS) for name in NEED_KERAS[package]]
)
def test_a_name_that_needs_keras_says_what_to_install(package, name):
    code = f"""
import b4k3.{package}
from b4k3.backend import BackendError
def by_import():
    from b4k3.{package} import {name}
def by_attribute():
    b4k3.{package}.{name}
for way in by_import, by_attribute:
    try:
        way()
    except BackendError as error:
        assert "pip install 'b4k3[jax]'" in str(error), error
    else:
        raise AssertionError(way)
assert not hasattr(b4k3.{package}, "{name}")
try:
    getattr(b4k3.{package}, "{name}")
except AttributeError as error:
    assert "pip install 'b4k3[jax]'" in str(error), error
"""
    run(code)


@pytest.mark.parametrize("package", ["models", "layers"])
def test_star_says_what_to_install(package):
    code = f"""
from b4k3.backend import BackendError
try:
    exec("from b4k3.{package} import *")
except BackendError:
    print("BackendError")
"""
    assert run(code) == "BackendError"


def test_a_misspelt_name_starts_no_keras():
    code = f"""
import sys, b4k3.models, b4k3.layers
assert not hasattr(b4k3.models, "build_transformer_modell") and not hasattr(b4k3.layers, "Nonsense")
print(sorted({FRAMEWORKS!r} & set(sys.modules)))
"""
    assert run(code, hide=False) == "[]"


def test_every_name_of_this_keras_is_known_without_it():
    from b4k3.backend import keras
    from b4k3.layers._keras_names import NAMES

    # Keras 2.3 puts two classes among its layers when it first loads a model
    no_layers = {"absolute_import", "Model", "Sequential"}
    assert {name for name in dir(keras.layers) if not name.startswith("_")} - NAMES <= no_layers
