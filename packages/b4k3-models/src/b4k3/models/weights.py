"""The part of `Transformer` that loads the weights of an architecture from a checkpoint and saves them to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from b4k3.backend import (
    activations,
    base_weights,
    merged_weights,
    orthogonally_resize,
    process_index,
    reset_lora,
    wait_for_processes,
)
from b4k3.layers import FeedForward, MultiHeadAttention

from .checkpoints import CheckpointError, save_checkpoint
from .distribution.layouts import layout_map_of
from .errors import ConfigError, warn_caller
from .keys import ARGUMENTS
from .loading import in_dialect, load_weights, open_view
from .networks.distances import distances_to_output
from .networks.mapped import PLAIN
from .quantised import refuse_quantised
from .registry import network
from .token_choice import check_tokens, parts_of

if TYPE_CHECKING:
    import os
    from typing import Union

    from .dialects import View
    from .loading import LoadReport
    from .networks.description import Network, Sizes

    CheckpointLike = Union[str, "os.PathLike[str]", Mapping[str, np.ndarray], View]
    Mapped = Mapping[str, Sequence[str]]  # layer name -> canonical names of its variables


class CheckpointWeights:
    """The part of `Transformer` that loads and saves its weights.

    Attributes:
        network: `Network`. The description of the class; None for a class with its own `variable_mapping`.
        computed_layers: tuple of str. The layers whose weights are computed and not trained, so that no file has them.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models import BERT
        >>> bert = BERT(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        ...             intermediate_size=24, hidden_act="gelu")
        >>> bert.build()
        >>> path = os.path.join(tempfile.mkdtemp(), "bert_model.ckpt")
        >>> bert.save_weights_as_checkpoint(path)
        >>> len(bert.load_weights_from_checkpoint(path).loaded)
        37
    """

    network: Network | None = None
    computed_layers: tuple[str, ...] = ()
    dtype: str | None = None  # the dtype policy that `build_transformer_model` was given

    if TYPE_CHECKING:  # what `Transformer` adds, for type checkers
        layers: Any
        hidden_act: Any
        keep_tokens: Any
        compound_tokens: Any
        uninitialized: set[str]
        explicit: set[str] | None
        load_report: Any
        lora: Any
        ignore_invalid_weights: bool
        ignore_unread_weights: bool
        autoresize_weights: bool

        def prefixed(self, name: str | None) -> str | None:
            """Put the prefix of the model before the name of a layer.

            Arguments:
                name: str or None.

            Returns:
                str; None for None.
            """

    @classmethod
    def maps_by_itself(cls) -> bool:
        """Find out whether the class has its own `variable_mapping`, which says where its weights are.

        Returns:
            bool.
        """
        return cls.variable_mapping is not CheckpointWeights.variable_mapping

    @property
    def written_description(self) -> Network:
        """The `Network` that was written for the class or for its base class."""
        return self.network or PLAIN

    @property
    def description(self) -> Network:
        """The `Network` that describes this model. It is derived from `variable_mapping` if the class has its own."""
        return network(type(self)) if self.maps_by_itself() else self.written_description

    @property
    def sizes(self) -> Sizes:
        """The dict of the arguments that a description reads, under our names, and the sizes that follow from them."""
        of = self.written_description
        return of.derive({key: getattr(self, key) for key in ARGUMENTS + list(of.keys) if hasattr(self, key)})

    def variable_mapping(self) -> dict[str, list[str]]:
        """Say which variables of a checkpoint each layer has.

        Returns:
            dict from layer name to the canonical names of its variables, in the order of the layer's weights. The
            layers of all heads are in it, whether the model has them or not.
        """
        return self.written_description.mapping(self.sizes)

    def mapping_of_layers(self, mapping: Mapped | None = None) -> dict[str, list[str]]:
        """Restrict `variable_mapping` to the layers of this model.

        Arguments:
            mapping: dict as `variable_mapping` returns; None calls `variable_mapping`.

        Returns:
            dict from layer name, with the prefix of the model, to the canonical names of its variables.
        """
        mapping = self.variable_mapping() if mapping is None else mapping
        prefixed = {self.prefixed(layer): variables for layer, variables in mapping.items()}
        return {layer: list(variables) for layer, variables in prefixed.items() if layer in self.layers}

    def layers_without_names(self) -> list[str]:
        """List the layers whose weights `variable_mapping` does not name, so that no checkpoint has them.

        Returns:
            list of the names of layers.
        """
        known = {*self.mapping_of_layers(), *map(self.prefixed, self.computed_layers)}
        # `layers` also has the inputs, which are tensors.
        return [name for name, layer in self.layers.items() if name not in known and getattr(layer, "weights", ())]

    def distances_to_output(self) -> dict[str, int]:
        """Count the blocks from each layer to the output, for learning rates that differ from block to block.

        Returns:
            dict from layer name, with the prefix of the model, to its distance: 0 for heads and what follows on the
            blocks, 1 for the last block, and one more than the first block for embeddings. Layers that no checkpoint
            has are not in it.

        Raises:
            ConfigError: the description of the network has no blocks, or does not say where a layer stands.
        """
        distances = {self.prefixed(name): d for name, d in distances_to_output(self.description, self.sizes).items()}
        unknown = [name for name in self.mapping_of_layers() if name not in distances]
        if unknown:
            raise ConfigError(
                f"the description of {type(self).__name__} does not say where {', '.join(unknown[:5])} stand: describe "
                "the network by a Network, as the attribute `network` of the class"
            )
        return {name: distance for name, distance in distances.items() if name in self.layers}

    def layout_map(self, mesh: Any, uneven: str = "refuse") -> Any:
        """Say how devices share the weights of this model. `distribution.model_parallel` says it before one is built.

        Arguments:
            mesh: keras.distribution.DeviceMesh. Its axis 'model', or its last one, cuts the weights.
            uneven: str. "refuse" raises an error for a size that does not divide; "replicate" puts such a weight on
                every device.

        Returns:
            keras.distribution.LayoutMap with every weight of the model.

        Raises:
            ConfigError: a size does not divide by the axis of the mesh.
            BackendError: the backend is not JAX.
        """
        return layout_map_of(self, mesh, uneven)

    def expect_checkpoint(self, checkpoint: CheckpointLike) -> None:
        """Skip the initialisation of the weights that this checkpoint will fill. To be called before `build`.

        Arguments:
            checkpoint: path, or dict from name to array.

        Raises:
            CheckpointError: the file cannot be read, or has no names of this network.
            FileNotFoundError: the file does not exist.
        """
        view = open_view(checkpoint, self.description, self.ignore_invalid_weights)
        if not type(self).load_variable.__module__.startswith("b4k3."):
            return  # the `load_variable` of a subclass may leave weights as they are initialised
        for layer, variables in self.variable_mapping().items():
            if all(variable in view for variable in variables):
                self.uninitialized.add(self.prefixed(layer))

    def load_weights_from_checkpoint(self, checkpoint: CheckpointLike, mapping: Mapped | None = None) -> LoadReport:
        """Load the weights from a checkpoint, or change nothing.

        Arguments:
            checkpoint: path, or dict from name to array.
            mapping: dict as `variable_mapping` returns, to use instead of it.

        Returns:
            `LoadReport`, which is also the attribute `load_report`.

        Raises:
            CheckpointError: a variable is missing or has another shape, or the model is quantised. The message lists
                all problems and says what to do.
        """
        transformer: Any = self
        mapped = self.mapping_of_layers(mapping)
        refuse_quantised(map(self.layers.get, mapped), "A checkpoint that is loaded")
        self.load_report = load_weights(transformer, checkpoint, mapped)
        self._restart_lora(mapped)
        nameless = self.layers_without_names() if mapping is None else []
        self.load_report.initialized += [
            (name, weight.name) for name in nameless for weight in base_weights(self.layers[name])
        ]
        if nameless:
            warn_caller(
                f"{type(self).__name__}: the weights of {', '.join(nameless)} stay as they were initialised, because "
                "variable_mapping gives them no names"
            )
        if self.description.trained_with_tanh and not self.load_report.dialect.startswith("huggingface"):
            if self.hidden_act == "gelu" and activations.get("gelu") is activations.gelu_erf:
                self.load_report.notes.append(
                    "hidden_act='gelu' is the erf form here, as in bert4keras; the original code means "
                    "hidden_act='gelu_tanh'"
                )
        return self.load_report

    def _restart_lora(self, loaded: Mapped) -> None:
        """Give LoRA its start values in layers whose weights were loaded, so that the model computes the checkpoint."""
        targets = [target for target in self.lora.targets if target.owner.name in loaded] if self.lora else []
        for target in targets:
            reset_lora(target.layer)
        if targets:
            self.load_report.notes.append(f"LoRA has its start values again in {len(targets)} layers")

    def save_weights_as_checkpoint(
        self,
        filename: str | os.PathLike[str],
        mapping: Mapped | None = None,
        dtype: str | None = None,
        format: str = "tf",
        dialect: str | None = None,
    ) -> None:
        """Write the weights to a checkpoint. TensorFlow is not needed. The products of LoRA are added to the weights.

        If the weights lie on several processes of JAX, each of them must call this, and process 0 writes.

        Arguments:
            filename: path. The prefix of a TensorFlow checkpoint (".../bert_model.ckpt"), or the file of other formats.
            mapping: dict as `variable_mapping` returns, to use instead of it.
            dtype: str or None. The name of the dtype in the file; None keeps the dtype of the weights.
            format: str. The `format` of `save_checkpoint`: "tf", "safetensors" or "npz".
            dialect: str or None. The name of a dialect, "huggingface" for example; None writes the canonical names.

        Raises:
            CheckpointError: the dialect has no name for a variable, layers that share a variable differ, no layer has a
                variable, or `variable_mapping` does not name the weights of a layer, which would be lost.
            ConfigError: no dialect has this name.
        """
        tensors = self.checkpoint_variables(mapping, dtype)
        try:
            if process_index() == 0:
                save_checkpoint(filename, in_dialect(tensors, dialect, self.description), format=format)
        finally:
            wait_for_processes(f"save_weights_as_checkpoint {filename}")

    def checkpoint_variables(self, mapping: Mapped | None = None, dtype: str | None = None) -> dict[str, np.ndarray]:
        """Return the weights in the form in which a checkpoint stores them, with the products of LoRA added.

        Arguments:
            mapping: dict as `variable_mapping` returns, to use instead of it.
            dtype: str or None. The name of the dtype; None keeps the dtype of the weights.

        Returns:
            dict from canonical name to array.

        Raises:
            CheckpointError: layers that share a variable differ, no layer has a variable, the model is quantised, or
                `variable_mapping` does not name the weights of a layer, which would be lost.
        """
        tensors: dict[str, np.ndarray] = {}
        mapped = self.mapping_of_layers(mapping)
        refuse_quantised(map(self.layers.get, mapped), "A checkpoint that is written")
        for layer, variables in mapped.items():
            values = merged_weights(self.layers[layer])
            for variable, value in zip(variables, values):
                value = self.create_variable(variable, np.asarray(value), dtype)
                if variable in tensors and not np.array_equal(value, tensors[variable]):
                    raise CheckpointError(
                        f"{layer} differs from another layer that is stored as {variable} too; give a mapping with a "
                        "variable for each, or use save_weights of the Keras model"
                    )
                tensors[variable] = value
        if not tensors:
            raise CheckpointError(
                f"{type(self).__name__}: no layer of the model has a variable, so that there is nothing to write; give "
                "the class a `network` or a `variable_mapping`, or use save_weights of the Keras model"
            )
        nameless = self.layers_without_names() if mapping is None else []
        if nameless:
            raise CheckpointError(
                f"{type(self).__name__}: the weights of {', '.join(nameless)} would be lost, because variable_mapping "
                "gives them no names; add them to it, give mapping= to leave them out, or use save_weights of the "
                "Keras model"
            )
        return tensors

    def load_variable(self, checkpoint: Mapping[str, np.ndarray] | View, name: str) -> np.ndarray | None:
        """Read one variable in the form that its layer needs. A subclass may override it.

        Arguments:
            checkpoint: mapping from canonical name to array.
            name: str. The canonical name.

        Returns:
            Array, in the shape of the weight; None leaves the weight as it is.
        """
        value, entry = checkpoint[name], self.description.find(name)
        if entry is None:
            return value
        value = value.T if entry[2].transposed else value
        axis = entry[2].rows_of_vocabulary
        if axis is None or not (self.keep_tokens is not None or self.compound_tokens is not None):
            return value
        return self.load_embeddings(value) if axis == 0 else self.load_embeddings(value.T).T

    def create_variable(self, name: str, value: np.ndarray, dtype: str | None = None) -> np.ndarray:
        """Convert one weight to the form in which a checkpoint stores it: the inverse of `load_variable`.

        Arguments:
            name: str. The canonical name.
            value: array. The weight of the layer.
            dtype: str or None. The name of the dtype; None keeps the dtype of the weight.

        Returns:
            Array, in the shape of the stored variable.
        """
        entry = self.description.find(name)
        value = value if dtype is None else value.astype(dtype)
        return value.T if entry is not None and entry[2].transposed else value

    def load_embeddings(self, embeddings: np.ndarray) -> np.ndarray:
        """Choose and combine the rows of a vocabulary by `keep_tokens` and `compound_tokens`.

        Arguments:
            embeddings: array, [full_vocab_size, ...].

        Returns:
            Array, [vocab_size, ...].

        Raises:
            ConfigError: the checkpoint has no row for an id, or an element of compound_tokens is no list of ids.
        """
        check_tokens(self.keep_tokens, self.compound_tokens, len(embeddings), "the checkpoint")
        if self.keep_tokens is not None:
            embeddings = embeddings[np.asarray(self.keep_tokens, dtype="int64")]
        if self.compound_tokens is None or not len(self.compound_tokens):
            return embeddings
        rows = []
        for item in self.compound_tokens:
            ids, weights = parts_of(item)
            picked = np.asarray(embeddings[np.asarray(ids, dtype="int64")], dtype="float32")
            rows.append(np.average(picked, axis=0, weights=weights))
        return np.concatenate([embeddings, np.asarray(rows, dtype=embeddings.dtype)], axis=0)

    def resize_variable(self, layer: Any, index: int, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Resize an array so that the outputs of its layer keep their scale.

        Arguments:
            layer: Keras layer whose weight it becomes.
            index: int. The number of the weight in the layer.
            value: array.
            shape: tuple of int. The shape of the weight.

        Returns:
            Array of this shape.
        """
        resized = orthogonally_resize(value, shape)
        biases = 2 if getattr(layer, "use_bias", False) else 1
        if isinstance(layer, MultiHeadAttention):
            # These are queries and keys. A scale that is a number does not depend on the key size, so nothing has to
            # be compensated for.
            if layer.attention_scale is True and index < 2 * biases:
                resized = resized * (shape[-1] / value.shape[-1]) ** 0.25
        elif isinstance(layer, FeedForward):
            if index < biases * len(layer.activation):
                if self.hidden_act not in ("relu", "leaky_relu"):
                    resized = resized * (shape[-1] / value.shape[-1]) ** 0.5
            else:
                resized = resized * (value.shape[0] / shape[0]) ** 0.5
        return resized
