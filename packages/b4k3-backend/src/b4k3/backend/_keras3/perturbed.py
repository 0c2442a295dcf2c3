"""A model whose training loss may be computed again with one weight moved, on Keras 3.

`keras.StatelessScope` runs a model with other values of its variables, on every backend: one pass of the network with
the moved weight is one such scope. What changes in the scope, such as the seeds of dropout, stays in it:

    compute_loss          seeds 5 -> 6 by the pass of the trainer
      gradient(at)        a scope that begins with seeds 6; they are dropped afterwards
      at(move)            a scope that begins with seeds 6; its seeds 7 are assigned at the end

So the pass for the gradient and the pass that is trained on draw the same dropout, and no later step draws it again.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable

import keras
from keras import ops

from ..types import Tensor
from .gradients import gradient
from .layer import mask_of
from .prediction import input_structure


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
        self.outputs: list[Tensor] = keras.tree.flatten(outputs)
        self.masks: list[Tensor | None] = [mask_of(x) for x in self.outputs]
        self.shape: tuple[int, ...] = tuple(model.rerun.weight.shape)
        self.seeds: list[tuple[Any, Tensor]] = []

    def at(self, move: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run the network with the weight moved.

        Arguments:
            move: float32, of the shape of the weight. What is added to the weight.

        Returns:
            A pair: the loss, a scalar, and the outputs, a list of tensors.
        """
        network, weight = self.model.rerun.network, self.model.rerun.weight
        moved = ops.convert_to_tensor(weight) + ops.cast(move, weight.dtype)
        state = [(v, moved if v is weight else v.value) for v in network.variables]
        seeds = [v for v in network.non_trainable_variables if v.dtype == "uint32"]
        with keras.StatelessScope(state_mapping=state, collect_losses=True) as scope:
            outputs = network(self.batch["x"], training=True)
            loss = loss_of(network, y_pred=outputs, **self.batch)
        self.seeds = [(v, scope.get_current_value(v)) for v in seeds]
        return loss, keras.tree.flatten(outputs)

    def gradient(self, function: Callable[[Tensor], Tensor], move: Tensor, differentiable: bool = False) -> Tensor:
        """Return the gradient of a function of a move, which may call `at`.

        Arguments:
            function: function. It takes a move and returns a scalar tensor.
            move: float32, of the shape of the weight. Where the gradient is taken.
            differentiable: bool. Whether the gradient becomes a part of the loss.

        Returns:
            float32, of the shape of the weight.
        """
        before = self.seeds
        try:
            return gradient(function, move, differentiable)
        finally:
            self.seeds = before  # the other values belong to the computation of the gradient alone

    def loss_gradient(self, differentiable: bool = False) -> Tensor:
        """Return the gradient of the loss where the weight is.

        Arguments:
            differentiable: bool. Whether the gradient becomes a part of the loss.

        Returns:
            float32, of the shape of the weight.
        """
        return self.gradient(lambda move: self.at(move)[0], ops.zeros(self.shape), differentiable)

    def normal(self) -> Tensor:
        """Return random numbers of a normal distribution: float32, of the shape of the weight."""
        return keras.random.normal(self.shape, seed=self.model.random)

    def finish(self) -> None:
        """Assign the seeds of the last pass."""
        for variable, value in self.seeds:
            variable.assign(value)


def loss_of(model: Any, compute: Callable[..., Tensor] | None = None, **batch: Any) -> Tensor:
    """Return the loss of a model on a batch; zero if it is compiled without a loss and no layer adds one.

    Arguments:
        model: keras.Model. A model that is compiled.
        compute: function, or None. The `compute_loss` to call; None takes the one of the model.
        batch: dict. The arguments of `compute_loss`.

    Returns:
        float32, [].
    """
    if model.loss is None and not model.losses:
        return ops.zeros(())
    return (compute or model.compute_loss)(**batch)


class Rerun:
    """The network of a model and its weight. This is a plain object, so that Keras does not look for layers in it.

    Arguments:
        network: keras.Model. A model over the same layers, compiled for the same loss.
        weight: variable. The weight that moves.
    """

    def __init__(self, network: Any, weight: Any) -> None:
        self.network, self.weight = network, weight
        self.has_losses = False  # True after the variables of the loss, which shows the loss of each output, are made


class PerturbedModel(keras.Model):
    """Train on a loss that is computed with one weight moved. It has the layers and weights of another model.

    A subclass overrides `training_loss`. `evaluate` and `predict` do what they do for the other model.

    Arguments:
        model: keras.Model. A model with inputs and outputs.
        weight: variable of Keras. A weight of the model.
        random: bool. Whether `Passes.normal` is called.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> class Shifted(PerturbedModel):
        ...     def training_loss(self, passes):
        ...         return passes.at(0.1 * ops.ones(passes.shape))[0]
        >>> inputs = keras.Input((3,))
        >>> model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        >>> shifted = Shifted(model, model.layers[-1].kernel)
        >>> shifted.compile(loss="mse", optimizer="sgd")
        >>> history = shifted.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    """

    def __init__(self, model: Any, weight: Any, random: bool = False, **kwargs: Any) -> None:
        structure = input_structure(model), output_structure(model)
        super().__init__(*structure, **kwargs)
        if not any(v is weight for v in self.variables):
            raise ValueError(f"{weight} is no variable of {model.name}, so that it cannot be moved")
        self.rerun = Rerun(keras.Model(*structure), weight)
        self.random = keras.random.SeedGenerator() if random else None

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss to train on. A subclass overrides this method.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float, [].
        """
        raise NotImplementedError(f"{type(self).__name__}: override training_loss(self, passes)")

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure training. The arguments are the same as for `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        given = inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments
        self.rerun.network.compile(**{key: given[key] for key in ("loss", "loss_weights") if key in given})
        self.rerun.has_losses = False

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model that was loaded as the saved one was compiled.

        Arguments:
            config: dict. What `get_compile_config` of the saved model returned.
        """
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a step, as Keras asks for it; in `evaluate` the loss of the model as it is.

        Arguments:
            x: Any. The inputs of the step.
            y: Any. The targets, or None.
            y_pred: Any. What the model gave in Keras' own pass.
            sample_weight: Any. The weights of the samples, or None.
            training: bool. Whether somebody trains on the loss.
            kwargs: what newer versions of Keras give.

        Returns:
            float, [].
        """
        batch = {"x": x, "y": y, "sample_weight": sample_weight}
        loss = loss_of(self, super().compute_loss, y_pred=y_pred, training=training, **batch, **kwargs)
        if not training:
            if not self.rerun.has_losses:  # Keras asks once on symbolic tensors, before it compiles the step
                self.rerun.has_losses = True
                loss_of(self.rerun.network, y_pred=y_pred, **batch)
            return loss
        passes = Passes(self, batch, y_pred, loss)
        loss = self.training_loss(passes)
        passes.finish()
        return loss


def output_structure(model: Any) -> Any:
    """Return the symbolic outputs of a model in the structure in which it gives them: a list, tuple or dict, or one."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_outputs_struct", None)
    return list(model.outputs) if structure is None else structure
