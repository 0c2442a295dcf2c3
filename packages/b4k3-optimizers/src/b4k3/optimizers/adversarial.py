"""Adversarial training, virtual adversarial training and the gradient penalty, for any Keras.

All of them train on a loss that depends on what the network answers, or how fast its loss grows, near its word
embeddings. The model that they return has the layers and weights of the given one: train it, and use either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.backend import PerturbedModel, Tensor, dtype, keras, ops, register, search_layer, upcast

if TYPE_CHECKING:
    from b4k3.backend._keras3.perturbed import Passes

SMALLEST = 1e-7  # of a probability whose logarithm is taken, as in Keras


def adversarial_training(
    model: keras.Model,
    embedding_name: str = "Embedding-Token",
    epsilon: float = 1.0,
    steps: int = 1,
    step_size: float | None = None,
    clean_weight: float = 0.0,
) -> AdversarialModel:
    """Return a model that learns where word embeddings are moved a little to increase the loss: FGM, or PGD.

    A step of training goes like this, with g for the gradient of the loss by the whole table of embeddings:

        FGM, steps=1    move = epsilon · g / ‖g‖
        PGD, steps=k    k times: move = move + step_size · g / ‖g‖ at the moved table, cut to the length epsilon
        then            loss = loss at the moved table + clean_weight · loss at the table

    The move is a constant: no gradient passes it. Where several sentences of a batch have a word, its row moves for all
    of them, and all rows together move by at most epsilon. (To move each sentence by epsilon is another method.)

    Arguments:
        model: keras.Model. The model. It need not be compiled; compile the model that is returned.
        embedding_name: str. The name of the layer whose `embeddings` are moved. Only on Keras 3 may it be another
            layer than `b4k3.layers.Embedding`.
        epsilon: float. The length of the move. 0.5 or 1 suits the base models of bert4keras' examples.
        steps: int. How often the gradient is taken: 1 is FGM, more is PGD.
        step_size: float, or None. The length of one step of PGD; None is 2 · epsilon / steps, and epsilon for FGM.
        clean_weight: float. How much the loss without a move counts: 0 as in bert4keras' script, 1 as in the paper.

    Returns:
        keras.Model. It shares the weights of the model. `evaluate`, `predict` and the files of weights are as before.

    Raises:
        ValueError: there is no such layer, it has no table, or an argument is out of its limits.
        TypeError: the model has no inputs and outputs, or a training step of its own.

    Example:
        >>> from b4k3.layers import Embedding, FirstToken
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = FirstToken()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> trained = adversarial_training(model, "Embedding-Token", epsilon=0.5)
        >>> trained.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
        >>> history = trained.fit(np.ones((4, 6)), np.ones((4, 1)), verbose=0)

    Reference: FGM: Miyato et al., https://arxiv.org/abs/1605.07725; PGD: Madry et al., https://arxiv.org/abs/1706.06083
    """
    return AdversarialModel(
        checked(model), embedding_name, epsilon, steps, step_size, clean_weight=clean_weight, name=model.name
    )


def virtual_adversarial_training(
    model: keras.Model,
    embedding_name: str = "Embedding-Token",
    epsilon: float = 1.0,
    xi: float = 10.0,
    iterations: int = 1,
    weight: float = 1.0,
    from_logits: bool = False,
) -> VirtualAdversarialModel:
    """Return a model that learns to give the same answer where word embeddings are moved a little.

    No labels are needed for it. With p for the answer at the table of embeddings, which is a constant:

        direction   random numbers
        iterations  direction = gradient of KL(p, answer at table + xi · direction / ‖direction‖)
        then        loss = loss of compile + weight · KL(p, answer at table + epsilon · direction / ‖direction‖)

    For unlabelled texts compile the model without a loss: what is trained on is the KL alone. As in bert4keras' script,
    train another model of the same layers on labels by turns.

    Arguments:
        model: keras.Model. The model. Its outputs are distributions over the last axis. Rows that the mask of an output
            hides do not count.
        embedding_name: str. The name of the layer whose `embeddings` are moved, as for `adversarial_training`.
        epsilon: float. The length of the move that is trained on.
        xi: float. The length of the moves that look for the direction.
        iterations: int. How often the direction is improved.
        weight: float. The weight of the KL in the loss.
        from_logits: bool. Whether the outputs are scores before the softmax.

    Returns:
        keras.Model. It shares the weights of the model. `evaluate`, `predict` and the files of weights are as before.

    Raises:
        ValueError: there is no such layer, it has no table, an output has one class, or an argument is out of its
            limits.
        TypeError: the model has no inputs and outputs, or a training step of its own.

    Example:
        >>> from b4k3.layers import Embedding, FirstToken
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = FirstToken()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> unlabelled = virtual_adversarial_training(model, "Embedding-Token", xi=1.0)
        >>> unlabelled.compile(optimizer="adam")
        >>> history = unlabelled.fit(np.ones((4, 6)), verbose=0)

    Reference: Miyato et al., Virtual Adversarial Training, https://arxiv.org/abs/1704.03976
    """
    return VirtualAdversarialModel(
        checked(model), embedding_name, epsilon, xi, iterations, weight, from_logits, name=model.name
    )


def gradient_penalty(
    model: keras.Model, embedding_name: str = "Embedding-Token", weight: float = 1.0
) -> GradientPenaltyModel:
    """Return a model whose loss has the squared gradient by the word embeddings in it: loss + weight / 2 · ‖g‖².

    Arguments:
        model: keras.Model. The model. It need not be compiled; compile the model that is returned.
        embedding_name: str. The name of the layer with the `embeddings`, as for `adversarial_training`.
        weight: float. The weight of the penalty.

    Returns:
        keras.Model. It shares the weights of the model. `evaluate`, `predict` and the files of weights are as before.

    Raises:
        ValueError: there is no such layer, or it has no table.
        TypeError: the model has no inputs and outputs, or a training step of its own.

    Example:
        >>> from b4k3.layers import Embedding, FirstToken
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = FirstToken()(Embedding(30, 8, name="Embedding-Token")(ids))
        >>> model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(x))
        >>> penalized = gradient_penalty(model, "Embedding-Token", weight=0.1)
        >>> penalized.compile(loss="categorical_crossentropy", optimizer="adam")
        >>> history = penalized.fit(np.ones((4, 6)), np.eye(2)[[0, 1, 0, 1]], verbose=0)

    Reference: Su, https://kexue.fm/archives/7234
    """
    return GradientPenaltyModel(checked(model), embedding_name, weight, name=model.name)


class EmbeddingModel(PerturbedModel):
    """A model whose training moves the table of one layer. Subclasses name their arguments in `settings`.

    Arguments:
        model: keras.Model. The model whose layers and weights this one has.
        embedding_name: str. The name of the layer whose `embeddings` are moved.
        random: bool. Whether random numbers are drawn in training.
        settings: dict. The other arguments of the subclass, which `get_config` returns.
        kwargs: the arguments of `keras.Model`, such as `name`.
    """

    def __init__(
        self, model: keras.Model, embedding_name: str, settings: dict[str, Any], random: bool = False, **kwargs: Any
    ) -> None:
        layer = search_layer(list(model.outputs), embedding_name)
        if layer is None or getattr(layer, "embeddings", None) is None:
            what = "no such layer" if layer is None else f"{type(layer).__name__} has no table `embeddings`"
            raise ValueError(f"{embedding_name!r}: {what} in {model.name}; give the name of its embedding layer")
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
    """The model that `adversarial_training` returns; its arguments are the arguments of that function."""

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
        """Return the loss at the moved table, and the loss at the table if that counts."""
        epsilon, steps = self.settings["epsilon"], self.settings["steps"]
        step_size = self.settings["step_size"] or (epsilon if steps == 1 else 2.0 * epsilon / steps)
        move = cut(step_size * direction(passes.loss_gradient()), epsilon)
        for _ in range(steps - 1):
            gradient = passes.gradient(lambda moved: passes.at(moved)[0], ops.stop_gradient(move))
            move = cut(move + step_size * direction(gradient), epsilon)
        loss, _ = passes.at(ops.stop_gradient(move))
        clean_weight = self.settings["clean_weight"]
        return loss + clean_weight * passes.loss if clean_weight else loss


@register
class VirtualAdversarialModel(EmbeddingModel):
    """The model that `virtual_adversarial_training` returns; its arguments are the arguments of that function."""

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
        """Return the loss of the model plus the divergence at the moved table."""
        settings = self.settings
        answers = [ops.stop_gradient(x) for x in passes.outputs]

        def divergence(move: Tensor) -> Tensor:
            """Return KL(p, answer at the moved table), the sum over the outputs."""
            parts = zip(answers, passes.at(move)[1], passes.masks)
            return sum((self.divergence(*part) for part in parts), ops.zeros(()))

        towards = self.start(passes)
        for _ in range(settings["iterations"]):
            towards = passes.gradient(divergence, ops.stop_gradient(settings["xi"] * direction(towards)))
        move = ops.stop_gradient(settings["epsilon"] * direction(towards))
        return passes.loss + settings["weight"] * divergence(move)

    def start(self, passes: Passes) -> Tensor:
        """Return the first direction: float32, of the shape of the table."""
        return passes.normal()

    def divergence(self, p: Tensor, q: Tensor, mask: Tensor | None) -> Tensor:
        """Return KL(p, q), the mean over the rows of the last axis that the mask does not hide."""
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
    """The model that `gradient_penalty` returns; its arguments are the arguments of that function."""

    def __init__(
        self, model: keras.Model, embedding_name: str = "Embedding-Token", weight: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(model, embedding_name, {"weight": weight}, **kwargs)

    def training_loss(self, passes: Passes) -> Tensor:
        """Return the loss of the model plus the penalty."""
        gradient = upcast(passes.loss_gradient(differentiable=True))
        return passes.loss + 0.5 * self.settings["weight"] * ops.sum(ops.square(gradient))


def checked(model: Any) -> keras.Model:
    """Return the model if its layers can be trained in another way."""
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise TypeError(f"{type(model).__name__} has no inputs and outputs: make it of layers, keras.Model(x, y)")
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name, None) is not getattr(keras.Model, name, None):
            raise TypeError(f"{type(model).__name__} has a {name} of its own, which would be lost: take a plain model")
    return model


def direction(x: Tensor) -> Tensor:
    """Return x with the length 1 over all its elements; zeros stay zeros."""
    x = upcast(x)
    return x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-8)


def cut(move: Tensor, epsilon: float) -> Tensor:
    """Return the move, or the move of length epsilon in its direction if it is longer."""
    length = ops.sqrt(ops.sum(ops.square(move)))
    return move * (epsilon / ops.maximum(length, epsilon))
