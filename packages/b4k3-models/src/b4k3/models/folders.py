"""Find the configuration files of a folder: by the names that publishers use, then by what the files hold.

Such folders hold many other JSON files (of tokenizers, of sentence-transformers, notes of a user), and sometimes pipes
or devices. Only small regular files are opened.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from .checkpoints._files import check_regular, is_regular
from .config_files import MAX_CONFIG, read_config
from .errors import ConfigError

PUBLISHED, OTHER_JSON, GIN = 0, 1, 2  # ranks, the most trusted first

# Names that publishers use, the most trusted first.
_NAMES = (
    re.compile(r"config\.json$"),
    re.compile(r"(bert|albert|electra)_config\.json$"),
    re.compile(
        r"(ernie|gpt|gpt2|gau|generator|discriminator|hf|macbert|mt5|nezha|roberta|roformer|simbert|t5|xlnet)_config\.json$"
    ),
    re.compile(r"(bert|albert|roberta|roformer|nezha|gpt|t5)_config[_-][\w.-]+\.json$"),
    re.compile(r".*_config\.json$"),
    re.compile(r"(generator|discriminator)\.json$"),
    re.compile(r".*config.*\.json$"),
)
_MUST_BE_READABLE = _NAMES[:4]  # a broken file with one of these names is an error, and so is a pipe
_NEVER = re.compile(
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|merges|generation_config|modules|"
    r"sentence_bert_config|config_sentence_transformers|preprocessor_config|processor_config|feature_extractor_config|"
    r"adapter_config|quantize_config|trainer_state|.*\.index)\.json$"
)
_VOCABULARIES = ("vocab_size", "n_token")
_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
_MAX_OTHER = 1 << 20  # bytes; a larger file is not opened if its name says nothing
_MAX_FILES = 200  # how many files are opened whose names say nothing


class ConfigFile(NamedTuple):
    """A configuration file of a folder.

    Attributes:
        path: str.
        config: dict, as `read_config` gives it.
        rank: int, how far the name is trusted: PUBLISHED (0) for a name that publishers use, OTHER_JSON (1) for any
            other JSON file, GIN (2) for a gin file of T5. The lowest rank that is there counts.

    Example:
        >>> import json, os, tempfile
        >>> from b4k3.models.folders import configs_in
        >>> folder = tempfile.mkdtemp()
        >>> with open(os.path.join(folder, "bert_config.json"), "w") as file:
        ...     json.dump({"vocab_size": 20, "hidden_size": 16}, file)
        >>> [(os.path.basename(found.path), found.rank) for found in configs_in(folder)]
        [('bert_config.json', 0)]
    """

    path: str
    config: dict[str, Any]
    rank: int


def configs_in(folder: str) -> list[ConfigFile]:
    """List the configuration files of a folder, the most trusted first.

    A JSON file is a configuration if it has vocab_size or n_token, and a width (hidden_size, d_model, n_embd or dim).
    Under a name that publishers use it also is one if it says model_type or architectures, so that a folder of an
    unknown network does not look as if it had no configuration. Other JSON files and files that are too large are
    passed over, and so are pipes, devices, sockets, folders and links that lead nowhere, unless they are called as
    publishers call their configuration.

    Arguments:
        folder: str.

    Returns:
        list of `ConfigFile`, sorted by rank and, within one, by how common the name is.

    Raises:
        ConfigError: a file that is called as publishers call their configuration cannot be read, or is a pipe, a
            device, a folder …; or a gin file cannot be read, and nothing else is there. The folder itself cannot be
            read.
        FileNotFoundError: a name of publishers is a link that leads nowhere.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as e:
        raise ConfigError(f"{folder}: the folder cannot be read: {e.strerror or e}") from None
    candidates = sorted((_trust(name), name) for name in names if name.endswith((".json", ".gin")))
    found, refused, opened = [], None, 0
    for trust, name in candidates:
        rank, path = _rank(trust, name), os.path.join(folder, name)
        must_be_readable = any(pattern.match(name) for pattern in _MUST_BE_READABLE)
        if must_be_readable:
            check_regular(path, ConfigError)
        if _NEVER.match(name) or not _may_be_opened(path, rank):
            continue
        opened += rank == OTHER_JSON
        if opened > _MAX_FILES and rank == OTHER_JSON:
            continue
        try:
            config = read_config(path)
        except (ConfigError, OSError) as e:
            if must_be_readable:
                raise
            if rank == GIN and refused is None:
                refused = e
            continue
        if rank == GIN or is_model_config(config, rank):
            found.append(ConfigFile(path, config, rank))
    if refused is not None and not found:
        raise refused
    return found


def is_model_config(config: dict[str, Any], rank: int = OTHER_JSON) -> bool:
    """Return whether the content of a JSON file is the configuration of a model.

    Arguments:
        config: dict. The content, as `read_config` gives it.
        rank: int. How far the name of the file is trusted; see `ConfigFile`.

    Returns:
        bool.
    """
    if rank == PUBLISHED and (
        isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list)
    ):
        return True
    return any(size in config for size in _VOCABULARIES) and any(width in config for width in _WIDTHS)


def _trust(name: str) -> int:
    """Return the place of a file's name in the order of trust."""
    if name.endswith(".gin"):
        return len(_NAMES) + 1
    return next((place for place, pattern in enumerate(_NAMES) if pattern.match(name)), len(_NAMES))


def _rank(trust: int, name: str) -> int:
    if name.endswith(".gin"):
        return GIN
    return PUBLISHED if trust < len(_NAMES) else OTHER_JSON


def _may_be_opened(path: str, rank: int) -> bool:
    """Return whether a path leads to a regular file of a sensible size."""
    try:
        return is_regular(path) and os.path.getsize(path) <= (MAX_CONFIG if rank == PUBLISHED else _MAX_OTHER)
    except OSError:
        return False
