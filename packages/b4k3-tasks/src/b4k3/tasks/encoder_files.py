"""Write an encoder as a folder of sentence-transformers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping

import numpy as np

from b4k3.models import ConfigError
from b4k3.models.checkpoints import save_checkpoint
from b4k3.models.cli.target import write_json
from b4k3.models.quantised import refuse_quantised

from .saving import write_config, write_folder, write_network
from .sentence_modules import ACTIVATIONS, GENERAL, MODULES, DenseStep, NormStep, Step, UnitStep

if TYPE_CHECKING:
    from .text_encoder import TextEncoder

TORCH_MODULES = {"linear": "torch.nn.modules.linear."}  # of an activation; others are in torch.nn.modules.activation
KINDS = {DenseStep: "Dense", NormStep: "LayerNorm", UnitStep: "Normalize"}


def save_encoder(encoder: TextEncoder, folder: str, overwrite: bool) -> None:
    """Write checkpoint, config, vocabulary and modules of an encoder.

    Arguments:
        encoder: `TextEncoder`.
        folder: str.
        overwrite: bool. Whether a folder that is there may be replaced.

    Raises:
        CheckpointError: the model is quantised.
        ConfigError: something is there that may not be replaced, or the pooling is "pooler".
        OSError: the folder cannot be written.
    """
    refuse_quantised([encoder.model], "A folder that is written")
    if encoder.modules.modes == ("pooler",):
        raise ConfigError("sentence-transformers has no pooling 'pooler'; use transformer.save_weights_as_checkpoint")
    write_folder(folder, overwrite, lambda path: _write(encoder, path))


def _write(encoder: TextEncoder, folder: str) -> None:
    """Write all files into a new folder."""
    write_network(encoder.opened, folder, ())
    _write_modules(encoder, folder)


def write_without_weights(encoder: TextEncoder, folder: str) -> None:
    """Write config, vocabulary and modules of an encoder; sentence-transformers has no pooling "pooler".

    Arguments:
        encoder: `TextEncoder`.
        folder: str.
    """
    write_config(encoder.opened, folder, ())
    if encoder.modules.modes != ("pooler",):
        _write_modules(encoder, folder)


def _write_modules(encoder: TextEncoder, folder: str) -> None:
    """Write the files by which sentence-transformers knows what follows on the network."""
    modules = encoder.modules
    kinds = ["Transformer", "Pooling", *(KINDS[type(step)] for step in modules.steps)]
    paths = [f"{i}_{kind}" if i else "" for i, kind in enumerate(kinds)]
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(zip(paths, kinds))
    ]
    write_json(os.path.join(folder, MODULES), entries)
    limits = {"max_seq_length": encoder.maxlen, "do_lower_case": modules.lowercase}
    write_json(os.path.join(folder, "sentence_bert_config.json"), limits)
    general = {
        "prompts": encoder.prompts,
        "default_prompt_name": modules.default_prompt,
        "similarity_fn_name": modules.similarity,
    }
    write_json(os.path.join(folder, GENERAL), general)
    for path in paths[1:]:
        os.mkdir(os.path.join(folder, path))
    pooling: dict[str, Any] = {
        "word_embedding_dimension": int(encoder.transformer.output.shape[-1]),
        "pooling_mode": modules.modes[0] if len(modules.modes) == 1 else list(modules.modes),
        "include_prompt": modules.include_prompt,
    }
    write_json(os.path.join(folder, paths[1], "config.json"), pooling)
    for i, (step, path) in enumerate(zip(modules.steps, paths[2:])):
        _write_step(encoder.model, step, i, os.path.join(folder, path))


def _write_step(model: Any, step: Step, i: int, folder: str) -> None:
    """Write the config of a module and, from the layers of the model, its weights."""
    if isinstance(step, DenseStep):
        values = [np.asarray(value) for value in model.get_layer(f"Sentence-{i}-Dense").get_weights()]
        arrays = {"linear.weight": np.ascontiguousarray(values[0].T)}
        if len(values) > 1:
            arrays["linear.bias"] = values[1]
        name = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == step.activation)
        where = TORCH_MODULES.get(step.activation, "torch.nn.modules.activation.")
        config = {"in_features": values[0].shape[0], "out_features": values[0].shape[1], "bias": len(values) > 1}
        _write_module(folder, arrays, dict(config, activation_function=where + name))
    elif isinstance(step, NormStep):
        gamma, beta = (np.asarray(value) for value in model.get_layer(f"Sentence-{i}-Norm").get_weights())
        _write_module(folder, {"norm.weight": gamma, "norm.bias": beta}, {"dimension": len(gamma)})


def _write_module(folder: str, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> None:
    """Write the weights and the config of a module."""
    save_checkpoint(os.path.join(folder, "model.safetensors"), arrays, format="safetensors")
    write_json(os.path.join(folder, "config.json"), config)
