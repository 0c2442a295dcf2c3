"""A model whose training loss may be computed again with one weight moved, on Keras 2.

Eager Keras (tf.keras 2.2 and newer) has a `train_step` to override. Keras of graphs (keras 2.3.1, tf.keras 1.15) has a
tensor, `total_loss`, which Keras sets when it compiles, and reads when the first batch is trained. There it is a
property, which adds the network to the graph once more for each pass:

    total_loss = in_train_phase(training_loss(passes), what Keras has set)
"""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, Callable, Iterator

import tensorflow.compat.v2 as tf

from .._runtime import major_minor
from ..types import Tensor
from .flavour import is_standalone, keras
from .gradients import IN_GRAPH, gradient  # in a graph `compile` makes the graph of training
from .k import symbolic
from .prediction import input_structure
from .replaying import Replay, replaying

K = keras.backend
EXPANDS = major_minor(tf.__version__) < (2, 7)  # Keras' own train_step makes [batch, 1] of [batch]


class Passes:
    """The passes of one training step: the pass that Keras ran, and further ones with one weight moved.

    Arguments:
        model: PerturbedModel. The model.
        batch: dict. `x`, `y` and `sample_weight` of the step.
        outputs: Any. What the model gave in Keras' own pass.
        loss: float, []. The loss of Keras' own pass.
    """

    def __init__(self, model: PerturbedModel, batch: dict[str, Any], outputs: Any, loss: Tensor) -> None:
        self.model, self.batch, self.loss = model, batch, loss
        self.outputs: list[Tensor] = tf.nest.flatten(outputs)
        self.masks: list[Tensor | None] = masks_of(model, batch["x"], self.outputs)
        self.shape: tuple[int, ...] = tuple(model.rerun.weight.shape.as_list())

    def at(self, move: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run the network with the weight moved.

        Arguments:
            move: float32, of the shape of the weight. What is added to the weight.

        Returns:
            A pair: the loss, a scalar, and the outputs, a list of tensors.

        Raises:
            ValueError: the layer does not read its weight by `weight_value`, or a layer of another package adds a loss.
        """
        weight = self.model.rerun.weight
        moved = tf.convert_to_tensor(weight) + tf.cast(move, weight.dtype.base_dtype)
        run = run_in_graph if IN_GRAPH else run_eagerly
        with replaying(weight, moved) as replay:
            loss, outputs = run(self.model.rerun.network, self.batch, replay)
        if not replay.was_read:
            raise ValueError(
                f"{weight.name} cannot be moved on Keras 2, because its layer is not b4k3.layers.Embedding: take this "
                "layer, or train on Keras 3"
            )
        return loss, tf.nest.flatten(outputs)

    def gradient(self, function: Callable[[Tensor], Tensor], move: Tensor, differentiable: bool = False) -> Tensor:
        """Return the gradient of a function of a move, which may call `at`.

        Arguments:
            function: function. It takes a move and returns a scalar tensor.
            move: float32, of the shape of the weight. Where the gradient is taken.
            differentiable: bool. It changes nothing on TensorFlow.

        Returns:
            float32, of the shape of the weight.
        """
        return gradient(function, move, differentiable)

    def loss_gradient(self, differentiable: bool = False) -> Tensor:
        """Return the gradient of the loss where the weight is.

        Arguments:
            differentiable: bool. It changes nothing on TensorFlow.

        Returns:
            float32, of the shape of the weight.
        """
        if IN_GRAPH:  # the pass of `compile` is there already
            found = tf.convert_to_tensor(tf.gradients(self.loss, [self.model.rerun.weight])[0])
            if differentiable:
                with second_gradients():
                    tf.gradients(found, [self.model.rerun.weight])
            return found
        return self.gradient(lambda move: self.at(move)[0], tf.zeros(self.shape))

    def normal(self) -> Tensor:
        """Return random numbers of a normal distribution: float32, of the shape of the weight."""
        return tf.random.normal(self.shape)


class Rerun:
    """The network of a model and its weight. This is a plain object, so that Keras does not look for layers in it.

    Arguments:
        network: keras.Model. A model over the same layers, compiled for the same loss.
        weight: variable. The weight that moves.
    """

    def __init__(self, network: Any, weight: Any) -> None:
        self.network, self.weight = network, weight
        self.targets: list[Tensor | None] = []  # the placeholders of a graph
        self.clean: Any = None  # the loss of a graph that `compile` made
        self.trained: Any = None  # the loss of a graph that is trained on


class PerturbedModel(keras.Model):
    """Train on a loss that is computed with one weight moved. It has the layers and weights of another model.

    A subclass overrides `training_loss`. `evaluate` and `predict` do what they do for the other model.

    Arguments:
        model: keras.Model. A model with inputs and outputs.
        weight: variable of Keras. A weight of the model. Its layer reads it by `weight_value`.
        random: bool. Whether `Passes.normal` is called. It has no effect on TensorFlow's own generator.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> class Shifted(PerturbedModel):
        ...     def training_loss(self, passes):
        ...         return passes.at(0.1 * ops.ones(passes.shape))[0]
    """

    def __init__(self, model: Any, weight: Any, random: bool = False, **kwargs: Any) -> None:
        if not IN_GRAPH and not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__} trains eagerly on TensorFlow {tf.__version__}: switch v2 on again"
            )
        structure = input_structure(model), output_structure(model)
        super().__init__(*structure, **kwargs)
        if not any(v is weight for v in self.weights):
            raise ValueError(f"{weight.name} is no weight of {model.name}, so that it cannot be moved")
        self.rerun = Rerun(keras.Model(*structure), weight)

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss to train on. A subclass overrides this method.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float, [].
        """
        raise NotImplementedError(f"{type(self).__name__}: override training_loss(self, passes)")

    @symbolic
    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure training. The arguments are the same as for `keras.Model.compile`."""
        given = inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments
        network = self.rerun.network
        losses = {key: given[key] for key in ("loss", "loss_weights") if given.get(key) is not None}
        if not IN_GRAPH or losses.get("loss"):
            network.compile("sgd", **losses)
        if IN_GRAPH and losses.get("loss"):
            if given.get("target_tensors") is not None:
                raise ValueError(f"{self.name}: target_tensors is not supported by {type(self).__name__}")
            self.rerun.targets = [placeholder(*of) for of in zip(network.loss_functions, network.outputs)]
            kwargs["target_tensors"] = self.rerun.targets
        elif IN_GRAPH and not self.losses:  # which does not compile a model without a loss
            zero = K.constant(0.0)
            self.add_loss(zero if is_standalone else lambda: zero)
        super().compile(*args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model that was loaded as the saved one was compiled.

        Arguments:
            config: dict. What `get_compile_config` of the saved model returned.
        """
        self.compile(**keras.saving.deserialize_keras_object(config))

    if IN_GRAPH:

        @property
        def total_loss(self) -> Any:
            """The loss that Keras trains on: None before `compile`. It is made when it is first asked for."""
            rerun = self.rerun
            if rerun.trained is None and rerun.clean is not None:
                rerun.trained = in_training(self, rerun.clean)
            return rerun.trained

        @total_loss.setter
        def total_loss(self, value: Any) -> None:
            """Take the loss that Keras has made of the outputs."""
            self.rerun.clean, self.rerun.trained = value, None

        @property
        def uses_learning_phase(self) -> bool:
            """True, because `total_loss` is another one in training."""
            return True

    else:

        def train_step(self, data: Any) -> dict[str, Any]:
            """Train on one batch, as `fit` asks for it.

            Arguments:
                data: tuple. Inputs, and targets and sample weights if there are any.

            Returns:
                dict. The numbers that `fit` shows.
            """
            x, y, sample_weight = unpacked(data)
            kept = []

            def loss() -> Tensor:
                """Compute what is trained on, and keep the outputs of Keras' own pass."""
                outputs = self(x, training=True)
                before = tf.identity(shown_loss(self, "count"))
                clean = eager_loss(self, y, outputs, sample_weight, list(self.losses))
                passes = Passes(self, {"x": x, "y": y, "sample_weight": sample_weight}, outputs, clean)
                total = self.training_loss(passes)
                kept[:] = [outputs, (total - clean) * (tf.identity(shown_loss(self, "count")) - before)]
                return total

            with second_gradients():
                self.optimizer.minimize(loss, self.trainable_variables)
            outputs, difference = kept
            shown_loss(self, "total").assign_add(difference)  # Keras has averaged the loss of its own pass
            if hasattr(self, "compute_metrics"):
                return dict(self.compute_metrics(x, y, outputs, sample_weight))
            self.compiled_metrics.update_state(y, outputs, sample_weight)
            return {metric.name: metric.result() for metric in self.metrics}


def output_structure(model: Any) -> Any:
    """Return the symbolic outputs of a model in the structure in which it gives them: a list, tuple or dict, or one."""
    structure = None if IN_GRAPH else getattr(model, "_nested_outputs", None)
    return list(model.outputs) if structure is None else structure


def masks_of(network: Any, inputs: list[Tensor], outputs: list[Tensor]) -> list[Tensor | None]:
    """Return the mask of each output of a network that was called on these inputs, or None."""
    if is_standalone:  # which remembers the masks of a call
        masks = network.compute_mask(inputs, None)
        return list(masks) if isinstance(masks, (list, tuple)) else [masks] * len(outputs)
    return [getattr(x, "_keras_mask", None) for x in outputs]


@contextlib.contextmanager
def second_gradients() -> Iterator[None]:
    """Say what to do where TensorFlow has no gradient of a gradient.

    Raises:
        ValueError: TensorFlow raised a LookupError in the block.
    """
    try:
        yield
    except LookupError as error:
        raise ValueError(
            f"TensorFlow {tf.__version__} has no second gradient of this loss ({error}). Of "
            "sparse_categorical_crossentropy it has none; take categorical_crossentropy with one-hot labels"
        ) from error


# --- eager training ---------------------------------------------------------------------------------------------------


def unpacked(data: Any) -> tuple[Any, Any, Any]:
    """Return inputs, targets and sample weights of what `fit` gives to `train_step`."""
    data = tuple(data) if isinstance(data, (list, tuple)) else (data,)
    if EXPANDS:
        data = tf.nest.map_structure(lambda t: tf.expand_dims(t, 1) if t is not None and t.shape.rank == 1 else t, data)
    return data + (None,) * (3 - len(data))


def shown_loss(model: Any, part: str) -> Any:
    """Return the variable `count` or `total` of the average loss that Keras shows; 0.0 before Keras has made it."""
    return next((getattr(metric, part) for metric in model.metrics if metric.name == "loss"), tf.zeros(()))


def eager_loss(model: Any, y: Any, outputs: Any, sample_weight: Any, added: list[Tensor]) -> Tensor:
    """Return the loss of a model from its outputs and what its layers added; zero if there is neither."""
    return model.compiled_loss(y, outputs, sample_weight, regularization_losses=added or [tf.zeros(())])


def run_eagerly(network: Any, batch: dict[str, Any], replay: Replay) -> tuple[Tensor, Any]:
    """Run the network; return the loss and the outputs. Keras collects the losses of layers itself."""
    outputs = network(batch["x"], training=True)
    return eager_loss(network, batch["y"], outputs, batch["sample_weight"], list(network.losses)), outputs


# --- graphs -----------------------------------------------------------------------------------------------------------


def placeholder(loss: Any, output: Tensor) -> Tensor | None:
    """Return a placeholder for the targets of an output; None if it has no loss."""
    return None if loss is None else K.placeholder(ndim=len(output.shape), dtype=K.dtype(output))


@symbolic
def in_training(model: PerturbedModel, clean: Tensor) -> Tensor:
    """Return the loss of training in training, and the loss of `compile` in evaluation."""
    batch = {
        "x": list(model.inputs),
        "y": model.rerun.targets,
        "sample_weight": list(model.sample_weights),
    }
    total = model.training_loss(Passes(model, batch, model.outputs, clean))
    return K.in_train_phase(total, clean)


def run_in_graph(network: Any, batch: dict[str, Any], replay: Replay) -> tuple[Tensor, Any]:
    """Add the network to the graph once more; return the loss and the outputs."""
    inputs = [tf.identity(x) for x in batch["x"]]  # of its inputs the network would give what it has already
    before = len(network.losses)
    outputs = network.call(inputs) if is_standalone else network(inputs if len(inputs) > 1 else inputs[0])
    if len(network.losses) != before:
        raise ValueError(
            f"a layer of {network.name} adds a loss, and is no b4k3.layers.Loss: this Keras would keep the losses of "
            "all passes. Derive the layer from Loss"
        )
    # keras 2.3.1 names a penalty of a weight twice once the network was called again
    penalties = {id(x): x for x in network.get_losses_for(None)}
    others = network.get_losses_for(inputs) if is_standalone else []
    loss = sum(replay.losses + list(penalties.values()) + list(others), tf.zeros(()))
    if batch["y"]:
        flat = tf.nest.flatten(outputs)
        masks, weights = masks_of(network, inputs, flat), loss_weights(network)
        parts = zip(network.loss_functions, batch["y"], flat, batch["sample_weight"], masks)
        for part, weight in zip(parts, weights):
            if part[0] is not None:
                loss = loss + weight * graph_loss(*part)
    return loss, outputs


def graph_loss(function: Any, y: Tensor, output: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> Tensor:
    """Return the loss of one output, whose mask counts as a weight."""
    if mask is not None:
        mask = tf.cast(mask, output.dtype)
        if sample_weight is None:
            sample_weight = mask
        else:
            for _ in range(len(mask.shape) - len(sample_weight.shape)):
                sample_weight = tf.expand_dims(sample_weight, -1)
            sample_weight = sample_weight * mask
    return tf.reduce_mean(function(y, output, sample_weight=sample_weight))


def loss_weights(network: Any) -> list[float]:
    """Return the weight of the loss of each output."""
    given = network.loss_weights
    if isinstance(given, dict):
        return [given.get(name, 1.0) for name in network.output_names]
    return list(given) if given else [1.0] * len(network.outputs)
