"""The table of formats: which backend of Keras traces a format, what must be installed, and how its file is called."""

from __future__ import annotations

import importlib.util
import os
from typing import NamedTuple, Sequence

from ..errors import ConfigError


class Format(NamedTuple):
    """A file format of other programs.

    Attributes:
        backend: str. The backend of Keras 3 that traces it.
        packages: tuple of str. The modules that must be installed to write it.
        extra: str. The extra of b4k3-models that installs them.
        file: str. The name of the file in the folder of a model; '' if the format is a folder itself.
        suffix: str. What the name of a file of this format ends with.
        caches: bool. Whether networks that generate are written with their caches.

    Example:
        >>> from b4k3.models.exporting import FORMATS
        >>> FORMATS["onnx"].file
        'model.onnx'
    """

    backend: str
    packages: tuple[str, ...]
    extra: str
    file: str
    suffix: str
    caches: bool = False


FORMATS = {
    "onnx": Format("torch", ("torch", "onnx"), "onnx", "model.onnx", ".onnx", True),
    "openvino": Format("torch", ("torch", "onnx", "openvino"), "openvino", "openvino_model.xml", ".xml", True),
    "torch": Format("torch", ("torch",), "torch", "model.pt2", ".pt2"),
    "saved_model": Format("tensorflow", ("tensorflow",), "tensorflow", "", ""),
    "litert": Format("tensorflow", ("tensorflow",), "tensorflow", "model.tflite", ".tflite"),
}


def checked_format(name: str) -> Format:
    """Return a format whose packages are installed.

    Arguments:
        name: str. A key of `FORMATS`.

    Returns:
        `Format`.

    Raises:
        ConfigError: there is no such format, or a package that it needs is not installed.
    """
    found = FORMATS.get(name)
    if found is None:
        raise ConfigError(f"format={name!r}: expected one of {', '.join(FORMATS)}")
    missing = missing_packages(found.packages)
    if missing:
        raise ConfigError(
            f"format={name!r} needs {' and '.join(missing)}, not installed here: pip install 'b4k3[{found.extra}]'"
        )
    return found


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return which modules cannot be found, without importing them.

    Arguments:
        names: sequence of str. Names of top-level modules.

    Returns:
        list of str.
    """
    return [name for name in names if importlib.util.find_spec(name) is None]


def is_single_file(path: str, format: Format) -> bool:
    """Return whether a path names the file itself, and not the folder that it is written into.

    Arguments:
        path: str. What the user gave.
        format: `Format`.

    Returns:
        bool.
    """
    return bool(format.suffix) and os.path.basename(path).lower().endswith(format.suffix)
