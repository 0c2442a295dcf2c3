"""Chooses the Keras of this process, once.

In order: `TF_KERAS=1`, a Keras that is already imported, `KERAS_BACKEND`, keras.json, what is installed. `TF_KERAS=1`
comes first because `import tensorflow` may import Keras 3 by itself (from 2.16 on), which nobody chose.
A choice that contradicts another or that cannot work here raises `BackendError`, which says what can.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys

from ._missing import BackendError

KERAS3_BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")
# What a Keras 3 backend needs besides keras itself.
BACKEND_NEEDS = {
    "tensorflow": ("tensorflow",),
    "jax": ("jax",),
    "torch": ("torch",),
    "numpy": ("jax", "scipy"),
    "openvino": ("openvino",),
}
TRUE = ("1", "true", "yes", "on")


def installed(name):
    """Whether a top-level module can be found, without importing it."""
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def distribution_version(name):
    """The version of an installed distribution as a string, or None."""
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:  # Python 3.7
        from importlib_metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(version):
    """'2.3.1' -> (2, 3): comparable, unlike the strings ('2.10' < '2.3')."""
    parts = []
    for part in str(version or "0").split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)


def keras_version():
    """(major, minor) of the package `keras`, imported or installed; None without one."""
    module = sys.modules.get("keras")
    if module is not None and getattr(module, "__version__", ""):
        return numbers(module.__version__)
    if not installed("keras"):
        return None
    version = distribution_version("keras") or distribution_version("keras-nightly")
    return numbers(version) if version else None


class Row:
    """One way to have Keras.

    Arguments:
        kind: `'keras3'`, `'keras2'` (the package keras 2.3), `'tf.keras'` or `'tf_keras'`.
        backend: name of the array library: `'tensorflow'`, `'jax'`, `'torch'`, `'numpy'` or `'openvino'`.
    """

    def __init__(self, kind, backend="tensorflow"):
        self.kind = kind
        self.backend = backend

    @property
    def is_keras3(self):
        return self.kind == "keras3"

    @property
    def is_tf_keras(self):
        """Whether this is TensorFlow's own Keras 2, under either of its names."""
        return self.kind in ("tf.keras", "tf_keras")

    def __eq__(self, other):
        return isinstance(other, Row) and (self.kind, self.backend) == (other.kind, other.backend)

    def __hash__(self):
        return hash((self.kind, self.backend))

    def __repr__(self):
        return "%s on %s" % (self.kind, self.backend)


def legacy_kind():
    """The name under which TensorFlow's Keras 2 is to be had here, or None."""
    if installed("tf_keras"):
        return "tf_keras"
    if not installed("tensorflow"):
        return None
    version = keras_version()
    return None if version is not None and version[0] >= 3 else "tf.keras"


def possible():
    """Every row that this environment can run, the preferred one first."""
    rows = []
    version = keras_version()
    if version is not None and version[0] >= 3:
        for backend in KERAS3_BACKENDS:
            if all(installed(name) for name in BACKEND_NEEDS[backend]):
                rows.append(Row("keras3", backend))
    elif version is not None and (2, 3) <= version < (2, 4) and installed("tensorflow"):
        rows.append(Row("keras2"))
    legacy = legacy_kind()
    if legacy:
        rows.append(Row(legacy))
    return rows


def how_to_choose(row):
    if row.kind == "keras3":
        return "KERAS_BACKEND=%s (Keras 3)" % row.backend
    if row.kind == "keras2":
        return "no variable (the package keras 2.3)"
    return "TF_KERAS=1 (%s)" % row.kind


def refuse(problem):
    rows = possible()
    if rows:
        can = "Possible here: %s." % "; ".join(how_to_choose(row) for row in rows)
    else:
        can = (
            "No Keras that b4k3 knows is installed here. Install one with an extra: pip install 'b4k3[jax]', [torch], "
            "[tensorflow] (Keras 3), [tf-keras], [tf2] or [tf1]."
        )
    raise BackendError("%s %s" % (problem, can))


def asks_for_tf_keras() -> bool:
    """Whether TF_KERAS=1 is set."""
    return os.environ.get("TF_KERAS", "").strip().lower() in TRUE


def already_imported():
    """The row of a Keras that the user has imported before us, or None. TensorFlow alone is no choice of a Keras.

    With `TF_KERAS=1` only TensorFlow's own Keras counts: Keras 3 may be there because TensorFlow imported it.
    """
    if "tf_keras" in sys.modules and asks_for_tf_keras():
        return Row("tf_keras")
    module = sys.modules.get("keras")
    if module is not None:
        version = numbers(getattr(module, "__version__", ""))
        if asks_for_tf_keras() and not (2, 4) <= version < (3, 0):
            return None
        if version[0] >= 3:
            return Row("keras3", module.config.backend() if hasattr(module, "config") else module.backend.backend())
        if (2, 3) <= version < (2, 4):
            return Row("keras2")
        if (2, 4) <= version < (3, 0) and "tensorflow" in sys.modules:  # the package behind tf.keras 2.4 to 2.15
            return Row("tf.keras")
    return Row("tf_keras") if "tf_keras" in sys.modules else None


def from_environment():
    """The row that TF_KERAS and KERAS_BACKEND ask for, or None."""
    asked = os.environ.get("KERAS_BACKEND", "").strip().lower()
    if asks_for_tf_keras():
        if asked not in ("", "tensorflow"):
            refuse("TF_KERAS=1 asks for TensorFlow's Keras and KERAS_BACKEND=%s for another backend." % asked)
        kind = legacy_kind()
        if kind is None:
            refuse("TF_KERAS=1 asks for TensorFlow's Keras 2, which needs TensorFlow, and from 2.16 on also tf_keras.")
        return Row(kind)
    if not asked:
        return None
    rows = possible()
    for row in rows:
        if row.backend == asked:
            return row
    if asked not in KERAS3_BACKENDS:
        refuse("KERAS_BACKEND=%s is not a backend that b4k3 knows (%s)." % (asked, ", ".join(KERAS3_BACKENDS)))
    return refuse("KERAS_BACKEND=%s cannot work here." % asked)


def from_keras_json():
    """The backend named by keras.json. Keras writes that file by itself, so a name that cannot work is no error."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        with open(os.path.join(home, "keras.json"), encoding="utf-8") as f:
            asked = json.load(f).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    for row in possible():
        if row.backend == asked:
            return row
    return None


def choose():
    """Return the Row of this process.

    Raises:
        BackendError: the environment asks for what is not installed, or nothing is.
    """
    row = already_imported() or from_environment() or from_keras_json()
    if row is None:
        rows = possible()
        row = rows[0] if rows else refuse("b4k3 needs a Keras.")
    if row.is_keras3 and "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = row.backend  # what Keras 3 itself reads when it is imported
    return row


row = choose()
is_tf_keras = row.is_tf_keras  # a name of bert4keras
