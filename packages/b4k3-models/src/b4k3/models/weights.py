"""Where the weights of an architecture are in a checkpoint, and how they get there and back."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from b4k3.backend import activations, orthogonally_resize
from b4k3.layers import FeedForward, MultiHeadAttention

from .checkpoints import CheckpointError, save_checkpoint
from .errors import ConfigError, short
from .keys import ARGUMENTS
from .loading import in_dialect, load_weights, open_view
from .networks.mapped import PLAIN
from .registry import network


class CheckpointWeights:
    """The part of `Transformer` that loads and saves its weights.

    Attributes:
        network: `Network`, the description of the class; None for a class with a `variable_mapping` of its own.
    """

    network = None

    @classmethod
    def maps_by_itself(cls):
        """Whether the class says by a `variable_mapping` of its own where its weights are."""
        return cls.variable_mapping is not CheckpointWeights.variable_mapping

    @property
    def written_description(self):
        """The `Network` that was written for the class or for the one that it is derived from."""
        return self.network or PLAIN

    @property
    def description(self):
        """The `Network` that describes what this is: what its own `variable_mapping` says, if it has one."""
        return network(type(self)) if self.maps_by_itself() else self.written_description

    @property
    def sizes(self):
        """The arguments that a description asks for, under our names, with the sizes that follow from them."""
        of = self.written_description
        return of.derive({key: getattr(self, key) for key in ARGUMENTS + list(of.keys) if hasattr(self, key)})

    def variable_mapping(self):
        """{layer name: [canonical names of its variables, in the order of its weights]}, of every head too."""
        return self.written_description.mapping(self.sizes)

    def mapping_of_layers(self, mapping=None):
        """`variable_mapping` with prefixes, of the layers that this model has."""
        mapping = self.variable_mapping() if mapping is None else mapping
        mapping = {self.prefixed(layer): variables for layer, variables in mapping.items()}
        return {layer: variables for layer, variables in mapping.items() if layer in self.layers}

    def expect_checkpoint(self, checkpoint):
        """Leave weights at zero, when layers are built, that this checkpoint is going to fill.

        Arguments:
            checkpoint: path, or dict from name to array.

        Raises:
            CheckpointError, FileNotFoundError: it cannot be opened.
        """
        view = open_view(checkpoint, self.description, self.ignore_invalid_weights)
        if not type(self).load_variable.__module__.startswith("b4k3."):
            return  # another load_variable may leave weights alone
        for layer, variables in self.variable_mapping().items():
            if all(variable in view for variable in variables):
                self.uninitialized.add(self.prefixed(layer))

    def load_weights_from_checkpoint(self, checkpoint, mapping=None):
        """Load a checkpoint, or change nothing.

        Arguments:
            checkpoint: path, or dict from name to array.
            mapping: instead of `variable_mapping()`.

        Returns:
            LoadReport, also kept as `load_report`.

        Raises:
            CheckpointError: a variable is missing or of another shape; it lists all of them and says what to do.
        """
        self.load_report = load_weights(self, checkpoint, self.mapping_of_layers(mapping))
        if self.description.trained_with_tanh and not self.load_report.dialect.startswith("huggingface"):
            if self.hidden_act == "gelu" and activations.get("gelu") is activations.gelu_erf:
                self.load_report.notes.append(
                    "hidden_act='gelu' is the erf form here, as in bert4keras; the original code means "
                    "hidden_act='gelu_tanh'"
                )
        return self.load_report

    def save_weights_as_checkpoint(self, filename, mapping=None, dtype=None, format="tf", dialect=None):
        """Write the weights; no TensorFlow is needed.

        Arguments:
            filename: prefix of the checkpoint ('…/bert_model.ckpt'), or the file for other formats.
            mapping: instead of `variable_mapping()`.
            dtype: name of the dtype to store, that of the weights by default.
            format: of `save_checkpoint`.
            dialect: name of a dialect, 'huggingface' for instance; None for the canonical names.

        Raises:
            CheckpointError: the dialect has no name for a variable, layers that share one differ, or no layer has one.
        """
        tensors = self.checkpoint_variables(mapping, dtype)
        save_checkpoint(filename, in_dialect(tensors, dialect, self.description), format=format)

    def checkpoint_variables(self, mapping=None, dtype=None):
        """The weights as a checkpoint stores them: dict from canonical name to array.

        Arguments and Raises: as of `save_weights_as_checkpoint`.
        """
        tensors = {}
        for layer, variables in self.mapping_of_layers(mapping).items():
            values = self.layers[layer].get_weights()
            for variable, value in zip(variables, values):
                value = self.create_variable(variable, np.asarray(value), dtype)
                if variable in tensors and not np.array_equal(value, tensors[variable]):
                    raise CheckpointError(
                        "%s differs from another layer that is stored as %s too; give a mapping with a variable "
                        "for each, or use save_weights of the Keras model" % (layer, variable)
                    )
                tensors[variable] = value
        if not tensors:
            raise CheckpointError(
                f"{type(self).__name__}: no layer of the model has a variable, so that there is nothing to write; give "
                "the class a `network` or a `variable_mapping`, or use save_weights of the Keras model"
            )
        return tensors

    def load_variable(self, checkpoint, name):
        """One variable as its layer wants it.

        Arguments:
            checkpoint: mapping from canonical name to array.
            name: canonical name.

        Returns:
            The array; None to leave the weight alone.
        """
        value, entry = checkpoint[name], self.description.find(name)
        if entry is None:
            return value
        value = value.T if entry[2].transposed else value
        axis = entry[2].rows_of_vocabulary
        if axis is None or not (self.keep_tokens is not None or self.compound_tokens):
            return value
        return self.load_embeddings(value) if axis == 0 else self.load_embeddings(value.T).T

    def create_variable(self, name, value, dtype=None):
        """The inverse of `load_variable`: one weight as its checkpoint stores it. Returns: array."""
        entry = self.description.find(name)
        value = value if dtype is None else value.astype(dtype)
        return value.T if entry is not None and entry[2].transposed else value

    def load_embeddings(self, embeddings):
        """Rows of a vocabulary as `keep_tokens` and `compound_tokens` want them.

        Arguments:
            embeddings: [full vocabulary, …].

        Returns:
            [vocab_size, …].

        Raises:
            ConfigError: an id that the checkpoint has no row for.
        """
        if self.keep_tokens is not None:
            check_ids("keep_tokens", self.keep_tokens, len(embeddings))
            embeddings = embeddings[np.asarray(self.keep_tokens, dtype="int64")]
        if not self.compound_tokens:
            return embeddings
        rows = []
        for item in self.compound_tokens:
            ids, weights = item if isinstance(item, tuple) else (item, [1] * len(item))
            check_ids("compound_tokens", ids, len(embeddings))
            if not len(ids) or len(weights) != len(ids) or not sum(weights):
                raise ConfigError(f"compound_tokens: {short(item)} is no list of ids, or of (ids, their weights)")
            rows.append(np.average(np.asarray(embeddings[ids], dtype="float32"), axis=0, weights=weights))
        return np.concatenate([embeddings, np.asarray(rows, dtype=embeddings.dtype)], axis=0)

    def resize_variable(self, layer, index, value, shape):
        """An array of another shape, resized so that the layer's outputs keep their scale.

        Arguments:
            layer: the layer whose weight it becomes.
            index: number of the weight in the layer.
            value: array.
            shape: the wanted shape.

        Returns:
            Array of that shape.
        """
        resized = orthogonally_resize(value, shape)
        biases = 2 if getattr(layer, "use_bias", False) else 1
        if isinstance(layer, MultiHeadAttention):
            # queries and keys; a scale that is a number does not depend on the key size, and needs no compensation
            if layer.attention_scale is True and index < 2 * biases:
                resized = resized * (shape[-1] / value.shape[-1]) ** 0.25
        elif isinstance(layer, FeedForward):
            if index < biases * len(layer.activation):
                if self.hidden_act not in ("relu", "leaky_relu"):
                    resized = resized * (shape[-1] / value.shape[-1]) ** 0.5
            else:
                resized = resized * (value.shape[0] / shape[0]) ** 0.5
        return resized


def check_ids(argument, ids, rows):
    """Raises: ConfigError: an id that there is no row for."""
    for i in ids:
        if isinstance(i, bool) or not isinstance(i, Integral):
            raise ConfigError(f"{argument} names {i!r}, expected ids, which are whole numbers")
        if not 0 <= int(i) < rows:
            raise ConfigError("%s names id %s, but the checkpoint has rows 0 to %d" % (argument, i, rows - 1))
