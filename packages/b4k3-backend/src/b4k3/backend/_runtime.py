"""Choose the Keras of this process, once.

The first of these that says something decides: `TF_KERAS=1`, a Keras that is already imported, `KERAS_BACKEND`,
keras.json, the installed packages. `TF_KERAS=1` comes first because `import tensorflow` may import Keras 3 by itself
(from 2.16 on), which nobody chose. A choice that contradicts another one or that cannot work here raises
`BackendError`, which says what can work.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import NoReturn

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


def installed(name: str) -> bool:
    """Return True if a top-level module can be found, without importing it.

    Arguments:
        name: str. The name of the module.

    Returns:
        bool.
    """
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution.

    Arguments:
        name: str. The name of the distribution.

    Returns:
        str, or None if it is not installed.
    """
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:  # Python 3.7
        from importlib_metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def major_minor(version: str | None) -> tuple[int, ...]:
    """Return the first two numbers of a version, which compare as versions do; as strings '2.10' < '2.3'.

    Arguments:
        version: str, or None. A version such as '2.3.1'.

    Returns:
        tuple of int, such as (2, 3); (0,) for None or an empty string.
    """
    parts = []
    for part in str(version or "0").split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)


def keras_version() -> tuple[int, ...] | None:
    """Return the version of the package `keras` that is imported or else installed.

    Returns:
        tuple of int, (major, minor); None without the package.
    """
    module = sys.modules.get("keras")
    if module is not None and getattr(module, "__version__", ""):
        return major_minor(module.__version__)
    if not installed("keras"):
        return None
    version = distribution_version("keras") or distribution_version("keras-nightly")
    return major_minor(version) if version else None


class Environment:
    """One way to have Keras: which Keras it is, and on which backend it runs.

    Arguments:
        keras_flavour: str. 'keras3', 'keras2' (the package keras 2.3), 'tf.keras' or 'tf_keras'.
        backend: str. The array library: 'tensorflow', 'jax', 'torch', 'numpy' or 'openvino'.

    Example:
        >>> Environment("keras3", "jax").is_keras3
        True
    """

    def __init__(self, keras_flavour: str, backend: str = "tensorflow") -> None:
        self.keras_flavour = keras_flavour
        self.backend = backend

    @property
    def kind(self) -> str:
        """The former name of `keras_flavour`, which stays until version 0.2."""
        return self.keras_flavour

    @property
    def is_keras3(self) -> bool:
        """True if this is Keras 3."""
        return self.keras_flavour == "keras3"

    @property
    def is_tf_keras(self) -> bool:
        """True if this is TensorFlow's own Keras 2, under either of its names."""
        return self.keras_flavour in ("tf.keras", "tf_keras")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Environment):
            return False
        return (self.keras_flavour, self.backend) == (other.keras_flavour, other.backend)

    def __hash__(self) -> int:
        return hash((self.keras_flavour, self.backend))

    def __repr__(self) -> str:
        return f"{self.keras_flavour} on {self.backend}"


def legacy_flavour() -> str | None:
    """Return the name under which TensorFlow's own Keras 2 can be had here.

    Returns:
        str, 'tf_keras' or 'tf.keras'; None if it cannot be had.
    """
    if installed("tf_keras"):
        return "tf_keras"
    if not installed("tensorflow"):
        return None
    version = keras_version()
    return None if version is not None and version[0] >= 3 else "tf.keras"


def possible() -> list[Environment]:
    """Return every environment that the installed packages allow.

    Returns:
        list of Environment. The preferred one comes first.
    """
    found = []
    version = keras_version()
    if version is not None and version[0] >= 3:
        for backend in KERAS3_BACKENDS:
            if all(installed(name) for name in BACKEND_NEEDS[backend]):
                found.append(Environment("keras3", backend))
    elif version is not None and (2, 3) <= version < (2, 4) and installed("tensorflow"):
        found.append(Environment("keras2"))
    legacy = legacy_flavour()
    if legacy:
        found.append(Environment(legacy))
    return found


def how_to_choose(environment: Environment) -> str:
    """Say how a user chooses an environment, for an error message.

    Arguments:
        environment: Environment. One that is possible here.

    Returns:
        str. The environment variable to set.
    """
    if environment.is_keras3:
        return f"KERAS_BACKEND={environment.backend} (Keras 3)"
    if environment.keras_flavour == "keras2":
        return "no variable (the package keras 2.3)"
    return f"TF_KERAS=1 ({environment.keras_flavour})"


def refuse(problem: str) -> NoReturn:
    """Raise the error that says what cannot work and what can.

    Arguments:
        problem: str. A sentence that says what was asked for and why it cannot work.

    Raises:
        BackendError: always.
    """
    choices = possible()
    if choices:
        can = f"Possible here: {'; '.join(map(how_to_choose, choices))}."
    else:
        can = (
            "No Keras that b4k3 knows is installed here. Install one with an extra: pip install 'b4k3[jax]', [torch], "
            "[tensorflow] (Keras 3), [tf-keras], [tf2] or [tf1]."
        )
    raise BackendError(f"{problem} {can}")


def asks_for_tf_keras() -> bool:
    """Return True if TF_KERAS=1 is set.

    Returns:
        bool.
    """
    return os.environ.get("TF_KERAS", "").strip().lower() in TRUE


def already_imported() -> Environment | None:
    """Return the environment of a Keras that the user imported before us.

    TensorFlow alone is no choice of a Keras. With `TF_KERAS=1` only TensorFlow's own Keras counts, because TensorFlow
    itself may have imported Keras 3.

    Returns:
        Environment, or None if no Keras is imported.
    """
    if "tf_keras" in sys.modules and asks_for_tf_keras():
        return Environment("tf_keras")
    module = sys.modules.get("keras")
    if module is not None:
        version = major_minor(getattr(module, "__version__", ""))
        if asks_for_tf_keras() and not (2, 4) <= version < (3, 0):
            return None
        if version[0] >= 3:
            return Environment(
                "keras3", module.config.backend() if hasattr(module, "config") else module.backend.backend()
            )
        if (2, 3) <= version < (2, 4):
            return Environment("keras2")
        if (2, 4) <= version < (3, 0) and "tensorflow" in sys.modules:  # the package behind tf.keras 2.4 to 2.15
            return Environment("tf.keras")
    return Environment("tf_keras") if "tf_keras" in sys.modules else None


def from_environment() -> Environment | None:
    """Return the environment that the variables TF_KERAS and KERAS_BACKEND ask for.

    Returns:
        Environment, or None if neither variable asks for one.

    Raises:
        BackendError: the variables contradict each other, or what they ask for cannot work here.
    """
    asked = os.environ.get("KERAS_BACKEND", "").strip().lower()
    if asks_for_tf_keras():
        if asked not in ("", "tensorflow"):
            refuse(f"TF_KERAS=1 asks for TensorFlow's Keras and KERAS_BACKEND={asked} for another backend.")
        flavour = legacy_flavour()
        if flavour is None:
            refuse("TF_KERAS=1 asks for TensorFlow's Keras 2, which needs TensorFlow, and from 2.16 on also tf_keras.")
        return Environment(flavour)
    if not asked:
        return None
    for environment in possible():
        if environment.backend == asked:
            return environment
    if asked not in KERAS3_BACKENDS:
        refuse(f"KERAS_BACKEND={asked} is not a backend that b4k3 knows ({', '.join(KERAS3_BACKENDS)}).")
    refuse(f"KERAS_BACKEND={asked} cannot work here.")


def from_keras_json() -> Environment | None:
    """Return the environment of the backend that keras.json names.

    Keras writes that file by itself, so a name that cannot work is no error.

    Returns:
        Environment, or None if there is no such file or its backend cannot work here.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        with open(os.path.join(home, "keras.json"), encoding="utf-8") as f:
            asked = json.load(f).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    for environment in possible():
        if environment.backend == asked:
            return environment
    return None


def choose() -> Environment:
    """Choose the environment of this process.

    Returns:
        Environment.

    Raises:
        BackendError: the user asks for what is not installed, or no Keras is installed.
    """
    chosen = already_imported() or from_environment() or from_keras_json()
    if chosen is None:
        choices = possible()
        chosen = choices[0] if choices else refuse("b4k3 needs a Keras.")
    if chosen.is_keras3 and "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = chosen.backend  # Keras 3 reads this variable when it is imported
    return chosen


environment = choose()
row = environment  # the former name, which stays until version 0.2
is_tf_keras = environment.is_tf_keras  # a public name of bert4keras
