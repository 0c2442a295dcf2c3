"""A Keras model as a graph with the inputs that other programs expect: ids, attention mask and segments, as int64."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping, Sequence

from b4k3.backend import INPUT_NAMES, Tensor, keras, ops
from b4k3.backend.types import GraphTensor
from b4k3.layers import Embedding, first_tokens_masked

from ..errors import ConfigError
from .handed_model import all_layers, load_model, refuse_other_dtypes, save_model

# The name of an input of ours -> the name that other programs know, the last one of `INPUT_NAMES`.
IDS = ("Input-Token", "Input-Segment", "Input-Position", "Input-Task")
KNOWN_NAMES = dict({ours: INPUT_NAMES[ours][-1] for ours in IDS}, **{"Input-Prompt": "prompt_length"})
MASK = "attention_mask"
PLAN = "graph.json"


class ModelGraph:
    """A Keras model with inputs and outputs as other programs expect them.

    A token is hidden where `attention_mask` is 0: its id becomes the padding id of the model before the network runs.
    So it is hidden too where its id is the padding id. A network that hides no padding has no `attention_mask`.

    Arguments:
        model: Keras model. Ids and segment ids, [batch, n], to its outputs.
        outputs: sequence of str. A name for each output.
        metadata: dict from str to str, or None. It is stored in formats that have a place for it.
        limits: dict from 'sequence' to the largest length, or None, which asks the layers with positions.

    Raises:
        ConfigError: the number of names is not the number of outputs, or the model does not compute in float32.

    Example:
        >>> from b4k3.models.exporting.model_graph import ModelGraph
        >>> from b4k3.models import BERT
        >>> bert = BERT(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=24, hidden_act="gelu")
        >>> bert.build()
        >>> [port.name for port in ModelGraph(bert.model, ["last_hidden_state"]).inputs]
        ['input_ids', 'attention_mask', 'token_type_ids']
    """

    def __init__(
        self,
        model: Any,
        outputs: Sequence[str],
        metadata: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.model, self.names = model, list(outputs)
        self.metadata, self.limits = dict(metadata or {}), dict(length_limits(model), **dict(limits or {}))
        if len(self.names) != len(model.outputs):
            raise ConfigError(f"{len(self.names)} names for {len(model.outputs)} outputs: {', '.join(self.names)}")
        refuse_other_dtypes(model)
        self.feeds = [input_name(tensor) for tensor in model.inputs]
        if len(set(self.feeds)) < len(self.feeds):
            raise ConfigError(
                f"{model.name} has two inputs of ids, an encoder's and a decoder's: name one of its halves"
            )
        self.masking = [layer for layer in all_layers(model) if isinstance(layer, Embedding) and layer.mask_zero]

    @property
    def layers(self) -> list[Any]:
        """The Keras models whose weights the graph reads."""
        return [self.model]

    @property
    def has_mask(self) -> bool:
        """Whether the graph has an `attention_mask`."""
        return bool(self.masking) and "input_ids" in self.feeds

    @property
    def inputs(self) -> list[GraphTensor]:
        """The inputs of the graph, as `GraphTensor`s."""
        ports = []
        for name, tensor in zip(self.feeds, self.model.inputs):
            dtype = "int64" if name in KNOWN_NAMES.values() else keras.backend.standardize_dtype(tensor.dtype)
            ports.append(GraphTensor(name, axes_of(tensor), dtype))
            if name == "input_ids" and self.has_mask:
                ports.append(GraphTensor(MASK, axes_of(tensor)))
        return ports

    @property
    def outputs(self) -> list[GraphTensor]:
        """The outputs of the graph, as `GraphTensor`s."""
        return [GraphTensor(name, axes_of(x), "float32") for name, x in zip(self.names, self.model.outputs)]

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Compute the outputs.

        Arguments:
            tensors: one for each of `inputs`.

        Returns:
            list of tensors, one for each of `outputs`.
        """
        given = dict(zip([port.name for port in self.inputs], tensors))
        if self.has_mask:
            ids, padding_id = given["input_ids"], self.masking[0].padding_id
            real = ops.not_equal(given[MASK], 0)  # [batch, n]
            given["input_ids"] = ops.where(real, ids, ops.full_like(ids, padding_id))  # [batch, n]
        values = [ops.cast(given[name], tensor.dtype) for name, tensor in zip(self.feeds, self.model.inputs)]
        with first_tokens_masked():
            found = self.model(values if len(values) > 1 else values[0], training=False)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def save(self, folder: str) -> None:
        """Write the graph for another process, which `load` reads.

        Arguments:
            folder: str. An empty folder.

        Raises:
            ConfigError: a layer is of a class that the other process cannot import.
        """
        save_model(self.model, folder)
        plan = dict(outputs=self.names, metadata=self.metadata, limits=self.limits)
        with open(os.path.join(folder, PLAN), "w", encoding="utf-8") as file:
            json.dump(plan, file)

    @classmethod
    def load(cls, folder: str) -> ModelGraph:
        """Read what `save` wrote.

        Arguments:
            folder: str.

        Returns:
            `ModelGraph`.
        """
        with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
            plan = json.load(file)
        return cls(load_model(folder), **plan)


def input_name(tensor: Any) -> str:
    """Return the name of an input for other programs; a prefix of the model's layers is left out.

    Arguments:
        tensor: Keras tensor. An input of a model.

    Returns:
        str.
    """
    for ours, known in KNOWN_NAMES.items():
        if tensor.name.endswith(ours):
            return known
    return str(tensor.name)


def axes_of(tensor: Any) -> tuple[Any, ...]:
    """Return the axes of a Keras tensor: names for the batch and the length, and sizes.

    Arguments:
        tensor: Keras tensor.

    Returns:
        tuple of str and int.
    """
    names = ("batch", "sequence", "sequence_2", "sequence_3")
    return tuple(names[i] if size is None else size for i, size in enumerate(tensor.shape))


def length_limits(model: Any) -> dict[str, int]:
    """Return the largest length that the positions of a model allow.

    Arguments:
        model: Keras model.

    Returns:
        dict from 'sequence' to int; empty without a limit.
    """
    counted = [x for x in all_layers(model) if hasattr(x, "position_limit") and not x.custom_position_ids]
    limits = [layer.position_limit for layer in counted if layer.position_limit is not None]
    return {"sequence": min(limits)} if limits else {}
