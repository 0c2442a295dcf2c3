"""Read a configuration from a JSON file, or from the gin file of a T5. `keys` says what its keys mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO

from .checkpoints._files import open_regular
from .checkpoints._json import JSONError, parse_json
from .dialects.keras_hub_config import is_keras_hub, translated
from .errors import ConfigError
from .gin import read_gin
from .git_lfs import describe_pointer

if TYPE_CHECKING:
    from typing import Union

    Path = Union[str, bytes, os.PathLike[str]]

READY = os.path.join(os.path.dirname(__file__), "configs")
MAX_CONFIG = 16 << 20  # bytes
GENERATION = "generation_config.json"
FORCED = ("forced_bos_token_id", "forced_eos_token_id")


def ready_configs() -> dict[str, str]:
    """List the configurations that b4k3 brings along, for releases that were published without one.

    Returns:
        dict from name to path. `build_transformer_model` takes either as config_path.

    Example:
        >>> from b4k3.models import ready_configs
        >>> "google_t5_base" in ready_configs()
        True
    """
    names = sorted(name[: -len(".json")] for name in os.listdir(READY) if name.endswith(".json"))
    return {name: os.path.join(READY, name + ".json") for name in names}


def read_config(path: Path | dict[str, Any]) -> dict[str, Any]:
    """Read a JSON file, or a gin file of a T5, into a dict.

    Arguments:
        path: str or path-like, or a name of `ready_configs`; a dict is copied.

    Returns:
        dict, the keys and values as the file has them; of a model with a decoder, the first and last tokens that a
        generation_config.json beside the file forces. From a gin file, our names and the values of its bindings; from
        a preset of keras-hub, the keys of a configuration of BERT.

    Raises:
        ConfigError: the path is a folder, a pipe or a device; the file is too large, a Git LFS pointer, not UTF-8 or
            not a JSON object; it has a key twice, NaN, Infinity, or a number that is too large for a float or has more
            than 100 digits; for a gin file, see `read_gin`.
        FileNotFoundError: there is no such file.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.config_files import read_config
        >>> path = os.path.join(tempfile.mkdtemp(), "bert_config.json")
        >>> with open(path, "w") as file:
        ...     count = file.write('{"hidden_size": 768}')
        >>> read_config(path)
        {'hidden_size': 768}
    """
    if isinstance(path, dict):
        return dict(path)
    name, file = _open(path)
    text = _decode(name, _read(name, file))
    return read_gin(text, name) if name.endswith(".gin") else _with_generation(parse_config(text, name), name)


def _with_generation(config: dict[str, Any], path: str) -> dict[str, Any]:
    """Take the tokens that generation begins and ends with from the generation_config.json beside a config.json.

    transformers moves them there when it saves a model with an encoder and a decoder, and then reads them there alone.
    """
    beside = os.path.join(os.path.dirname(path), GENERATION)
    if os.path.basename(path) != "config.json" or not config.get("is_encoder_decoder") or not os.path.isfile(beside):
        return config
    _, file = _open(beside)
    found = parse_config(_decode(beside, _read(beside, file)), beside)
    tokens = {key: found.get(key) for key in FORCED}
    if found.get("decoder_start_token_id") is not None:
        tokens["decoder_start_token_id"] = found["decoder_start_token_id"]
    return dict(config, **tokens)


def _open(path: Path) -> tuple[str, BinaryIO]:
    """Open a regular file, or a ready config by its name, and return its path and the open file."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ConfigError(
            f"config_path is of type {type(path).__name__}; give the path of a JSON file, a dict, or a name of "
            "ready_configs()"
        )
    name = os.fsdecode(path)
    if "\0" in name:
        raise ConfigError(f"config_path: {name!r} contains a NUL character, which no path can contain")
    if os.path.isdir(name):
        raise ConfigError(f"{name} is a folder; give the JSON file in it as config_path")
    try:
        return name, open_regular(name, ConfigError)
    except FileNotFoundError as e:
        ready = ready_configs().get(name)
        if ready is None:
            raise FileNotFoundError(f"config_path: {e}") from None
    return ready, open_regular(ready, ConfigError)


def _read(path: str, file: BinaryIO) -> bytes:
    """Read an open file and close it."""
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_CONFIG:
            raise ConfigError(
                f"{path} has {size:,} bytes, and a configuration has {MAX_CONFIG:,} at most; if it is the checkpoint, "
                "give it as checkpoint_path"
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
    """Decode UTF-8, with or without a byte order mark. If it is not UTF-8, say what it looks like."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        guess = ""
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            guess = " It begins as UTF-16: save it as UTF-8."
        elif b"\0" in data:
            guess = " It is no text file; give a checkpoint as checkpoint_path."
        else:
            try:
                data.decode("gbk")
                guess = " It reads as GBK: save it as UTF-8."
            except UnicodeDecodeError:
                pass
        raise ConfigError(f"{path}: byte {e.start} is not UTF-8.{guess}") from None


def parse_config(text: str, path: str) -> dict[str, Any]:
    """Read the text of a JSON file.

    Arguments:
        text: str. What the file holds.
        path: str. The file, for error messages.

    Returns:
        dict, the keys and values as the text has them.

    Raises:
        ConfigError: the text is not a JSON object, or is refused; see `read_config`.
    """
    try:
        config = parse_json(text)
    except JSONError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} holds a JSON {type(config).__name__}, expected an object")
    return translated(config, path) if is_keras_hub(config) else config
