"""The choice of a Keras and a backend, in environments that are made up."""

import json
import os
import subprocess
import sys
import types

import pytest

from b4k3.backend import BackendError, _runtime
from b4k3.backend._runtime import Environment

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(_runtime.__file__))))

TENSORFLOW, JAX, TORCH = (
    Environment("keras3", "tensorflow"),
    Environment("keras3", "jax"),
    Environment("keras3", "torch"),
)
NUMPY, OPENVINO = Environment("keras3", "numpy"), Environment("keras3", "openvino")
KERAS2, TF_DOT_KERAS, TF_KERAS = Environment("keras2"), Environment("tf.keras"), Environment("tf_keras")


@pytest.fixture
def choose(monkeypatch, tmp_path):
    """Return a function that chooses in an environment.

    Arguments of it:
        packages: {name: version} of what is installed.
        environ: environment variables.
        imported: {name: module} of sys.modules.
        json_backend: what keras.json says, None for no such file.
    """

    def run(packages, environ=None, imported=None, json_backend=None):
        if json_backend is not None:
            (tmp_path / ".keras").mkdir(exist_ok=True)
            (tmp_path / ".keras" / "keras.json").write_text(json_backend)
        environ = dict({"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}, **environ or {})
        monkeypatch.setattr(os, "environ", environ)
        monkeypatch.setattr(_runtime, "sys", types.SimpleNamespace(modules=imported or {}))
        monkeypatch.setattr(_runtime, "installed", lambda name: name in packages or name in (imported or {}))
        monkeypatch.setattr(_runtime, "distribution_version", packages.get)
        row = _runtime.choose()
        monkeypatch.undo()
        return row, environ.get("KERAS_BACKEND")

    return run


class Module(types.SimpleNamespace):
    """A module in sys.modules. Its text, which names a test, has no address: parallel test processes compare it."""

    def __repr__(self):
        return f"{self.__version__} on {self.config.backend()}" if hasattr(self, "config") else self.__version__


def module(version, backend=None):
    config = types.SimpleNamespace(backend=lambda: backend)
    return Module(__version__=version, **({"config": config} if backend else {}))


KERAS3 = {"keras": "3.15.1"}
WITH_JAX = dict(KERAS3, jax="0.10.2")
WITH_TORCH = dict(KERAS3, torch="2.13.0")
EVERYTHING = dict(KERAS3, tensorflow="2.21.0", jax="0.10.2", torch="2.13.0", tf_keras="2.21.0")
OLD = {"keras": "2.3.1", "tensorflow": "1.15.5"}
TF215 = {"keras": "2.15.0", "tensorflow": "2.15.1"}
TF1_ALONE = {"tensorflow": "1.15.5"}

CHOICES = [
    # what is installed
    (WITH_JAX, {}, None, JAX),
    (WITH_TORCH, {}, None, TORCH),
    (dict(WITH_JAX, torch="2.13.0"), {}, None, JAX),
    (EVERYTHING, {}, None, TENSORFLOW),
    (dict(KERAS3, openvino="2026.4.1"), {}, None, OPENVINO),
    (OLD, {}, None, KERAS2),
    (TF215, {}, None, TF_DOT_KERAS),
    (TF1_ALONE, {}, None, TF_DOT_KERAS),
    ({"keras": "2.10.0", "tensorflow": "2.10.1"}, {}, None, TF_DOT_KERAS),
    ({"tensorflow": "2.21.0", "tf_keras": "2.21.0"}, {}, None, TF_KERAS),
    # TF_KERAS
    (OLD, {"TF_KERAS": "1"}, None, TF_DOT_KERAS),
    (EVERYTHING, {"TF_KERAS": "1"}, None, TF_KERAS),
    (EVERYTHING, {"TF_KERAS": "True", "KERAS_BACKEND": "tensorflow"}, "jax", TF_KERAS),
    (EVERYTHING, {"TF_KERAS": "0"}, None, TENSORFLOW),
    # KERAS_BACKEND
    (EVERYTHING, {"KERAS_BACKEND": "torch"}, None, TORCH),
    (EVERYTHING, {"KERAS_BACKEND": " JAX "}, "torch", JAX),
    (dict(WITH_JAX, scipy="1.17.1"), {"KERAS_BACKEND": "numpy"}, None, NUMPY),
    (OLD, {"KERAS_BACKEND": "tensorflow"}, None, KERAS2),
    (TF215, {"KERAS_BACKEND": "tensorflow"}, None, TF_DOT_KERAS),
    (EVERYTHING, {"KERAS_BACKEND": ""}, "jax", JAX),
    # keras.json
    (EVERYTHING, {}, "torch", TORCH),
    (WITH_JAX, {}, "tensorflow", JAX),
    (WITH_TORCH, {}, "theano", TORCH),
    (OLD, {}, "tensorflow", KERAS2),
]


@pytest.mark.parametrize("packages, environ, json_backend, expected", CHOICES, ids=str)
def test_choice(choose, packages, environ, json_backend, expected):
    row, keras_backend = choose(packages, environ, json_backend=json_backend and json.dumps({"backend": json_backend}))
    assert row == expected
    if expected.is_keras3:
        assert keras_backend == expected.backend  # what Keras itself will read


@pytest.mark.parametrize("text", ["", "[]", "{", '"jax"', "{}", '{"backend": 3}'])
def test_a_broken_keras_json_is_passed_over(choose, text):
    assert choose(WITH_JAX, json_backend=text)[0] == JAX


IMPORTED = [
    ({"keras": module("3.15.1", "torch")}, {}, TORCH),
    ({"keras": module("3.15.1", "torch")}, {"KERAS_BACKEND": "jax"}, TORCH),
    ({"keras": module("3.15.1", "jax")}, {"TF_KERAS": "1"}, TF_KERAS),
    ({"keras": module("3.15.1", "tensorflow"), "tensorflow": module("2.21.0")}, {"TF_KERAS": "1"}, TF_KERAS),
    ({"keras": module("3.15.1", "tensorflow"), "tensorflow": module("2.21.0")}, {"TF_KERAS": "0"}, TENSORFLOW),
    ({"tensorflow": module("2.21.0")}, {"TF_KERAS": "1"}, TF_KERAS),
    ({"keras": module("2.15.0"), "tensorflow": module("2.15.1")}, {"TF_KERAS": "1"}, TF_DOT_KERAS),
    ({"keras": module("3.15.1", "jax"), "tf_keras": module("2.21.0")}, {"TF_KERAS": "1"}, TF_KERAS),
    ({"keras": module("3.15.1", "jax"), "tf_keras": module("2.21.0")}, {}, JAX),
    ({"keras": module("2.3.1")}, {}, KERAS2),
    ({"keras": module("2.3.1")}, {"TF_KERAS": "1"}, TF_KERAS),
    ({"keras": module("2.15.0"), "tensorflow": module("2.15.1")}, {}, TF_DOT_KERAS),
    ({"tf_keras": module("2.21.0"), "tensorflow": module("2.21.0")}, {"KERAS_BACKEND": "jax"}, TF_KERAS),
    ({"tensorflow": module("2.21.0")}, {"KERAS_BACKEND": "jax"}, JAX),  # TensorFlow alone is no choice of a Keras
]


@pytest.mark.parametrize("imported, environ, expected", IMPORTED, ids=str)
def test_what_is_imported_already_wins(choose, imported, environ, expected):
    before = environ.get("KERAS_BACKEND")
    row, keras_backend = choose(EVERYTHING, environ, imported)
    assert row == expected
    if "keras" in imported:
        assert keras_backend == before  # nobody reads it any more


def test_tf_keras_that_cannot_be_had_is_refused_whatever_is_imported(choose):
    packages = dict(KERAS3, tensorflow="2.21.0")
    imported = {"keras": module("3.15.1", "tensorflow"), "tensorflow": module("2.21.0")}
    for found in (None, imported):
        with pytest.raises(BackendError, match="TF_KERAS=1.*from 2.16 on also tf_keras"):
            choose(packages, {"TF_KERAS": "1"}, found)


REFUSED = [
    (EVERYTHING, {"TF_KERAS": "1", "KERAS_BACKEND": "jax"}, ["TF_KERAS=1", "KERAS_BACKEND=jax", "Possible here"]),
    (WITH_JAX, {"TF_KERAS": "1"}, ["TF_KERAS=1", "tf_keras", "Possible here: KERAS_BACKEND=jax (Keras 3)."]),
    (
        dict(KERAS3, tensorflow="2.21.0"),
        {"TF_KERAS": "1"},
        ["from 2.16 on", "Possible here: KERAS_BACKEND=tensorflow (Keras 3)."],
    ),
    (WITH_JAX, {"KERAS_BACKEND": "torch"}, ["KERAS_BACKEND=torch cannot work here", "KERAS_BACKEND=jax (Keras 3)"]),
    (WITH_TORCH, {"KERAS_BACKEND": "numpy"}, ["KERAS_BACKEND=numpy cannot work here", "KERAS_BACKEND=torch"]),
    (EVERYTHING, {"KERAS_BACKEND": "theano"}, ["theano", "tensorflow, jax, torch, numpy, openvino", "TF_KERAS=1 (tf_"]),
    (
        OLD,
        {"KERAS_BACKEND": "jax"},
        ["KERAS_BACKEND=jax", "no variable (the package keras 2.3)", "TF_KERAS=1 (tf.k"],
    ),
    ({}, {}, ["b4k3 needs a Keras", "No Keras", "pip install 'b4k3[jax]'"]),
    (KERAS3, {}, ["b4k3 needs a Keras", "No Keras", "pip install"]),
    ({"keras": "2.2.4", "theano": "1.0"}, {}, ["b4k3 needs a Keras"]),
    ({"jax": "0.10.2"}, {"KERAS_BACKEND": "jax"}, ["KERAS_BACKEND=jax cannot work here", "[jax]"]),
]


@pytest.mark.parametrize("packages, environ, parts", REFUSED, ids=str)
def test_refusal(choose, packages, environ, parts):
    with pytest.raises(BackendError) as error:
        choose(packages, environ)
    for part in parts:
        assert part in str(error.value)


def test_major_minor():
    order = ["2.2.4-tf", "2.3.0-tf", "2.3.1", "2.10.1", "2.15.0", "3.0.0", "3.5.0rc1", "3.15.1"]
    numbers = [_runtime.major_minor(version) for version in order]
    assert numbers == sorted(numbers)
    assert numbers[2] == (2, 3) and numbers[-1] == (3, 15)
    assert _runtime.major_minor("") == _runtime.major_minor(None) == (0,)


def test_this_row(row):
    """The row that CI says it runs is the row that was chosen."""
    expected = {
        "keras231": KERAS2,
        "tfkeras": TF_DOT_KERAS,
        "tf_keras": TF_KERAS,
        "keras3-tf": TENSORFLOW,
        "keras3-jax": JAX,
        "keras35-jax": JAX,
        "keras3-torch": TORCH,
        "keras3-numpy": NUMPY,
        "default": _runtime.environment,
    }
    found = [value for name, value in expected.items() if row.startswith(name)]
    assert found == [_runtime.environment]


KERAS_OF_TORCH = """
__version__ = "3.15.1"
class config:
    backend = staticmethod(lambda: "torch")
"""


def test_a_fresh_process_with_a_keras_imported_first(tmp_path):
    (tmp_path / "keras.py").write_text(KERAS_OF_TORCH)
    code = "import keras, os; from b4k3.backend import environment; print(environment, os.environ.get('KERAS_BACKEND'))"
    assert run(code, tmp_path) == "keras3 on torch None"


def test_importing_the_backend_imports_no_framework(tmp_path):
    code = (
        "import sys, b4k3.backend; print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'numpy'} & set(sys.modules)))"
    )
    assert run(code, tmp_path) == "[]"


def run(code, path):
    """What Python prints that has no packages but b4k3.backend and those in path."""
    environ = {"PYTHONPATH": os.pathsep.join([str(path), SOURCE]), "HOME": str(path)}
    if "SYSTEMROOT" in os.environ:
        environ["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    result = subprocess.run([sys.executable, "-S", "-c", code], env=environ, capture_output=True, timeout=60)
    assert not result.returncode, result.stderr.decode()
    return result.stdout.decode().strip()
