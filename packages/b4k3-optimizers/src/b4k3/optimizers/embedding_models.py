"""The models that train near their word embeddings, which `adversarial_training` and its neighbours return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import PerturbedModel, Tensor, dtype, keras, ops, register, search_layer, upcast

if TYPE_CHECKING:
    from b4k3.backend._keras3.perturbed import Passes

SMALLEST = 1e-7  # of a probability whose logarithm is taken, as in Keras


class EmbeddingModel(PerturbedModel):
    """A model whose training moves the table of one layer. Subclasses name their arguments in `settings`.

    Arguments:
        model: keras.Model. The model whose layers and weights this one has.
        embedding_name: str. The name of the layer whose `embeddings` are moved.
        random: bool. Whether random numbers are drawn in training.
        settings: dict. The other arguments of the subclass, which `get_config` returns.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> from b4k3.layers import Embedding
        >>> ids = keras.Input((6,), dtype="int32")
        >>> x = keras.layers.Flatten()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> trained = EmbeddingModel(model, "Embedding-Token", {})
    """

    def __init__(
        self, model: keras.Model, embedding_name: str, settings: dict[str, Any], random: bool = False, **kwargs: Any
    ) -> None:
        layer = search_layer(list(model.outputs), embedding_name)
        if layer is None or getattr(layer, "embeddings", None) is None:
            what = "no such layer" if layer is None else f"{type(layer).__name__} has no table `embeddings`"
            raise ValueError(f"{embedding_name!r}: {what} in {model.name}; give the name of its embedding layer")
        if getattr(layer, "quantization_mode", None) is not None:
            raise ValueError(
                f"{embedding_name!r} is quantised, so that it cannot be moved: train before model.quantize"
            )
        super().__init__(model, layer.embeddings, random=random, **kwargs)
        self.embedding_name = embedding_name
        self.settings = dict(settings)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this model again, with the config of its network."""
        network = self.rerun.network.get_config()
        return dict(self.settings, network=network, embedding_name=self.embedding_name, name=self.name)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> EmbeddingModel:
        """Make the model that a config describes."""
        config = dict(config)
        network = keras.Model.from_config(config.pop("network"), custom_objects=custom_objects)
        return cls(network, **config)


@register
class AdversarialModel(EmbeddingModel):
    """The model that `adversarial_training` returns.

    Arguments:
        model: keras.Model. The model whose layers and weights this one has.
        embedding_name: str. The name of the layer whose `embeddings` are moved.
        epsilon: float. The length of the move.
        steps: int. How often the gradient is taken.
        step_size: float, or None. The length of one step of PGD; None is 2 · epsilon / steps, and epsilon for FGM.
        clean_weight: float. How much the loss without a move counts.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> from b4k3.layers import Embedding
        >>> ids = keras.Input((6,), dtype="int32")
        >>> x = keras.layers.Flatten()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> trained = AdversarialModel(model, epsilon=0.5)
    """

    def __init__(
        self,
        model: keras.Model,
        embedding_name: str = "Embedding-Token",
        epsilon: float = 1.0,
        steps: int = 1,
        step_size: float | None = None,
        clean_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if not (epsilon > 0 and steps >= 1 and (step_size is None or step_size > 0)):
            raise ValueError(
                f"epsilon={epsilon}, steps={steps}, step_size={step_size}: epsilon and step_size are positive lengths, "
                "and there is at least one step"
            )
        settings = {"epsilon": epsilon, "steps": steps, "step_size": step_size, "clean_weight": clean_weight}
        super().__init__(model, embedding_name, settings, **kwargs)

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss at the moved table, and the loss at the table if that counts.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float, [].
        """
        epsilon, steps = self.settings["epsilon"], self.settings["steps"]
        step_size = self.settings["step_size"] or (epsilon if steps == 1 else 2.0 * epsilon / steps)
        move = _cut(step_size * _direction(passes.loss_gradient()), epsilon)
        for _ in range(steps - 1):
            gradient = passes.gradient(lambda moved: passes.at(moved)[0], ops.stop_gradient(move))
            move = _cut(move + step_size * _direction(gradient), epsilon)
        loss, _ = passes.at(ops.stop_gradient(move))
        clean_weight = self.settings["clean_weight"]
        return loss + clean_weight * passes.loss if clean_weight else loss


@register
class VirtualAdversarialModel(EmbeddingModel):
    """The model that `virtual_adversarial_training` returns.

    Arguments:
        model: keras.Model. The model whose layers and weights this one has.
        embedding_name: str. The name of the layer whose `embeddings` are moved.
        epsilon: float. The length of the move that is trained on.
        xi: float. The length of the moves that look for the direction.
        iterations: int. How often the direction is improved.
        weight: float. The weight of the divergence in the loss.
        from_logits: bool. Whether the outputs are scores before the softmax.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> from b4k3.layers import Embedding
        >>> ids = keras.Input((6,), dtype="int32")
        >>> x = keras.layers.Flatten()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> trained = VirtualAdversarialModel(model, xi=1.0)
    """

    def __init__(
        self,
        model: keras.Model,
        embedding_name: str = "Embedding-Token",
        epsilon: float = 1.0,
        xi: float = 10.0,
        iterations: int = 1,
        weight: float = 1.0,
        from_logits: bool = False,
        **kwargs: Any,
    ) -> None:
        if not (epsilon > 0 and xi > 0 and iterations >= 1):
            raise ValueError(
                f"epsilon={epsilon}, xi={xi}, iterations={iterations}: epsilon and xi are positive lengths, and there "
                "is at least one iteration"
            )
        for output in model.outputs:
            if len(output.shape) < 2 or output.shape[-1] == 1:
                raise ValueError(f"{model.name}: an output of shape {output.shape} is no distribution over classes")
        settings = {"epsilon": epsilon, "xi": xi, "iterations": iterations}
        settings.update(weight=weight, from_logits=from_logits)
        super().__init__(model, embedding_name, settings, random=True, **kwargs)

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss of the model plus the divergence at the moved table.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float, [].
        """
        settings = self.settings
        answers = [ops.stop_gradient(x) for x in passes.outputs]

        def divergence(move: Tensor) -> Tensor:
            """Return KL(p, answer at the moved table), the sum over the outputs."""
            parts = zip(answers, passes.at(move)[1], passes.masks)
            return sum((self.divergence(*part) for part in parts), ops.zeros(()))

        towards = self.start(passes)
        for _ in range(settings["iterations"]):
            towards = passes.gradient(divergence, ops.stop_gradient(settings["xi"] * _direction(towards)))
        move = ops.stop_gradient(settings["epsilon"] * _direction(towards))
        return passes.loss + settings["weight"] * divergence(move)

    def start(self, passes: Passes) -> Tensor:
        """Return the first direction.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float32, of the shape of the table.
        """
        return passes.normal()

    def divergence(self, p: Tensor, q: Tensor, mask: Tensor | None) -> Tensor:
        """Return KL(p, q), the mean over the rows that the mask does not hide.

        Arguments:
            p: float, [..., classes]. The distributions that are given.
            q: float, [..., classes]. The distributions that shall be the same.
            mask: bool, [...], or None. False hides a row.

        Returns:
            float, [].
        """
        p, q = upcast(p), upcast(q)
        if self.settings["from_logits"]:
            log_p, log_q = ops.log_softmax(p, axis=-1), ops.log_softmax(q, axis=-1)
        else:
            log_p, log_q = [ops.log(ops.clip(x, SMALLEST, 1.0)) for x in (p, q)]
        rows = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
        if mask is None:
            return ops.mean(rows)
        mask = ops.cast(mask, dtype(rows))
        return ops.sum(rows * mask) / ops.maximum(ops.sum(mask), 1.0)


@register
class GradientPenaltyModel(EmbeddingModel):
    """The model that `gradient_penalty` returns.

    Arguments:
        model: keras.Model. The model whose layers and weights this one has.
        embedding_name: str. The name of the layer whose `embeddings` are moved.
        weight: float. The weight of the penalty.
        kwargs: the arguments of `keras.Model`, such as `name`.

    Example:
        >>> from b4k3.layers import Embedding
        >>> ids = keras.Input((6,), dtype="int32")
        >>> x = keras.layers.Flatten()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> trained = GradientPenaltyModel(model, weight=0.1)
    """

    def __init__(
        self, model: keras.Model, embedding_name: str = "Embedding-Token", weight: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(model, embedding_name, {"weight": weight}, **kwargs)

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss of the model plus the penalty.

        Arguments:
            passes: Passes. The pass of the step, and what runs further ones.

        Returns:
            float, [].
        """
        gradient = upcast(passes.loss_gradient(differentiable=True))
        return passes.loss + 0.5 * self.settings["weight"] * ops.sum(ops.square(gradient))


def _direction(x: Tensor) -> Tensor:
    """Return x with the length 1 over all its elements; zeros stay zeros."""
    x = upcast(x)
    return x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-8)


def _cut(move: Tensor, epsilon: float) -> Tensor:
    """Return the move, or the move of length epsilon in its direction if it is longer."""
    length = ops.sqrt(ops.sum(ops.square(move)))
    return move * (epsilon / ops.maximum(length, epsilon))
