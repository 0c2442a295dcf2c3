"""Reads a configuration from a JSON file, or from the gin file of T5. What its keys mean is the matter of `config`."""

from __future__ import annotations

import json
import math
import os
from typing import Any, BinaryIO, Callable

from .checkpoints._files import open_regular
from .errors import ConfigError
from .gin import read_gin
from .git_lfs import describe_pointer

READY = os.path.join(os.path.dirname(__file__), "configs")
MAX_CONFIG = 16 << 20  # bytes
MAX_DIGITS = 100  # of an integer: int(text) takes quadratic time
_MAX_CONTAINERS = 1 << 18  # objects and lists; each takes sixty bytes of memory or more, however short its text


def ready_configs() -> dict[str, str]:
    """Configurations of releases that ship none.

    Returns:
        dict from name to path, either of which `build_transformer_model` takes as config_path.
    """
    names = sorted(name[: -len(".json")] for name in os.listdir(READY) if name.endswith(".json"))
    return {name: os.path.join(READY, name + ".json") for name in names}


def read_config(path: Any) -> dict[str, Any]:
    """Read a JSON file, or a gin file of T5, into a dict.

    Arguments:
        path: str or path-like, or a name of `ready_configs`; a dict is copied.

    Returns:
        dict, the keys and values as the file has them.

    Raises:
        ConfigError: the path is a folder, a pipe or a device; the file is too large, a Git LFS pointer, not UTF-8 or
            not a JSON object; it has a key twice, NaN, Infinity, or a number that is too large for a float or has more
            than 100 digits; for a gin file, what `read_gin` says.
        FileNotFoundError: there is no such file.
    """
    if isinstance(path, dict):
        return dict(path)
    path, file = _open(path)
    text = _decode(path, _read(path, file))
    return read_gin(text, path) if path.endswith(".gin") else parse_config(text, path)


def _open(path: Any) -> tuple[str, BinaryIO]:
    """(path, open file) of a regular file, or of a name of `ready_configs`."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ConfigError(
            f"config_path is of type {type(path).__name__}; give the path of a JSON file, a dict, or a name of "
            "ready_configs()"
        )
    path = os.fsdecode(path)
    if "\0" in path:
        raise ConfigError(f"config_path: {path!r} contains a NUL character, which no path can")
    if os.path.isdir(path):
        raise ConfigError(f"{path} is a folder; config_path is the JSON file in it")
    try:
        return path, open_regular(path, ConfigError)
    except FileNotFoundError as e:
        path = ready_configs().get(path, "")
        if not path:
            raise FileNotFoundError(f"config_path: {e}") from None
    return path, open_regular(path, ConfigError)


def _read(path: str, file: BinaryIO) -> bytes:
    """The bytes of an open file, which is closed."""
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_CONFIG:
            raise ConfigError(
                f"{path} has {size:,} bytes, and a configuration has {MAX_CONFIG:,} at most; is it the checkpoint? "
                "That is given as checkpoint_path"
            )
        try:
            data = file.read(MAX_CONFIG + 1)
        except OSError as e:
            raise ConfigError(f"{path} cannot be read: {e.strerror or e}") from None
    pointer = describe_pointer(data)
    if pointer is not None:
        raise ConfigError(f"{path} {pointer}.")
    return data


def _decode(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        guess = ""
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            guess = " It begins as UTF-16: save it as UTF-8."
        elif b"\0" in data:
            guess = " It is no text file; a checkpoint is given as checkpoint_path."
        else:
            try:
                data.decode("gbk")
                guess = " It reads as GBK: save it as UTF-8."
            except UnicodeDecodeError:
                pass
        raise ConfigError(f"{path}: byte {e.start} is not UTF-8.{guess}") from None


def parse_config(text: str, path: str) -> dict[str, Any]:
    """The dict in the text of a JSON file. Arguments: the text; the path, for messages. Raises: see `read_config`."""
    if text.count("{") + text.count("[") > _MAX_CONTAINERS:
        raise ConfigError(f"{path} has more than {_MAX_CONTAINERS:,} objects and lists, too many for a configuration")
    try:
        config = json.loads(
            text,
            object_pairs_hook=_object(path),
            parse_constant=_refuse_constant(path),
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
    except json.JSONDecodeError as e:
        raise ConfigError(f"{path} is not JSON: line {e.lineno}, column {e.colno}: {e.msg}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply for a configuration") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} holds a JSON {_type(config)}, expected an object")
    return config


class _BadNumber:
    """Stands for a number that is refused until it is known under which key it is. Attribute: what it is, in words."""

    def __init__(self, what: str) -> None:
        self.what = what


def _parse_int(text: str) -> Any:
    digits = len(text.lstrip("-"))
    return int(text) if digits <= MAX_DIGITS else _BadNumber(f"a number of {digits:,} digits, {text[:20]}…")


def _parse_float(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _BadNumber(f"{text[:60]}, which is larger than any float")


def _refuse_constant(path: str) -> Callable[[str], Any]:
    def refuse(name: str) -> Any:
        raise ConfigError(f"{path}: {name} is not a number that JSON knows")

    return refuse


def _object(path: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def pairs_to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values:
                raise ConfigError(f"{path}: the key {key[:200]!r} stands there twice; which is meant?")
            bad = _bad_number(value)
            if bad is not None:
                raise ConfigError(f"{path}: {key[:200]} is {bad.what}")
            values[key] = value
        return values

    return pairs_to_dict


def _bad_number(value: Any) -> _BadNumber | None:
    """The first bad number in a value; lists are looked through, objects have been before."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, _BadNumber):
            return value
        if isinstance(value, list):
            left.extend(value)
    return None


def _type(value: Any) -> str:
    return "number" if isinstance(value, _BadNumber) else type(value).__name__
