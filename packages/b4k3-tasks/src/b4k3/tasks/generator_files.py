"""The files beside a generator's checkpoint that say how it generates, and the folder that it is saved as."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping

from b4k3.models.checkpoints._files import is_regular
from b4k3.models.cli.target import write_json
from b4k3.models.exporting import FORMATS
from b4k3.models.exporting.genai import GENAI, genai_config

from .opening import Opened
from .saving import write_folder, write_network
from .sentence_modules import read_json

if TYPE_CHECKING:
    from .text_generator import TextGenerator

GENERATION = "generation_config.json"


def read_generation_config(folder: str) -> dict[str, Any]:
    """Read a generation_config.json.

    Arguments:
        folder: str.

    Returns:
        dict, empty if the file is not there.

    Raises:
        ConfigError: the file is no JSON object.
    """
    return _read(folder, GENERATION)


def end_ids_of(opened: Opened, application: str | None) -> list[int]:
    """Find the ids that end an answer.

    The first of these counts that names a token of the vocabulary: generation_config.json, config.json,
    tokenizer_config.json, and the token that the tokenizer puts after a text. The configs of an encoder say nothing of
    generating, so only what `save` wrote counts there.

    Arguments:
        opened: `Opened`.
        application: str or None. "lm" or "unilm" for an encoder.

    Returns:
        list of int, empty if nothing is said.
    """
    folder, tokenizer, size = opened.subject.folder, opened.tokenizer, opened.subject.all_sizes["vocab_size"]
    said = [read_generation_config(folder).get("eos_token_id")]
    if application is None:
        said.append(opened.subject.file_config.get("eos_token_id"))
        token = _read(folder, "tokenizer_config.json").get("eos_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        said.append(tokenizer._id_of_token(token) if isinstance(token, str) else None)
    said.append(getattr(tokenizer, "_token_end_id", None))
    before, after = tokenizer._ids_around()
    said.append(list(after)[-1:])
    for ids in said:
        ids = ids if isinstance(ids, list) else [ids]
        if ids and all(type(i) is int and 0 <= i < size for i in ids):
            return ids
    return []


def save_generator(generator: TextGenerator, folder: str, overwrite: bool) -> None:
    """Write checkpoint, config, vocabulary and generation_config.json of a generator.

    Arguments:
        generator: `TextGenerator`.
        folder: str.
        overwrite: bool. Whether a folder that is there may be replaced.

    Raises:
        ConfigError: something is there that may not be replaced.
        OSError: the folder cannot be written.
    """

    def write(path: str) -> None:
        """Write all files into a new folder."""
        write_network(generator.opened, path)
        write_generation_config(generator, path)

    write_folder(folder, overwrite, write)


def write_generation_config(generator: TextGenerator, folder: str) -> None:
    """Write a generation_config.json: the ids with which texts start and end.

    Arguments:
        generator: `TextGenerator`.
        folder: str.
    """
    said = {"eos_token_id": generator.end_ids or None, "decoder_start_token_id": generator._form.start_id}
    said["b4k3_application"] = generator.application
    write_json(os.path.join(folder, GENERATION), {key: value for key, value in said.items() if value is not None})


def write_genai_config(generator: TextGenerator, folder: str) -> None:
    """Write a genai_config.json beside the ONNX file of a decoder, if onnxruntime-genai can run it.

    Arguments:
        generator: `TextGenerator`.
        folder: str. What the export has written so far.
    """
    if os.path.isfile(os.path.join(folder, FORMATS["onnx"].file)):
        said = genai_config(generator.transformer, generator.end_ids)
        if said is not None:
            write_json(os.path.join(folder, GENAI), said)


def _read(folder: str, name: str) -> dict[str, Any]:
    """Read a JSON object of a folder; it is empty if the file is not there."""
    path = os.path.join(folder, name)
    return read_json(path, dict) if is_regular(path) else {}
