"""Adversarial training, virtual adversarial training and the gradient penalty, for any Keras.

All of them train on a loss that depends on what the network answers, or how fast its loss grows, near its word
embeddings. The model that they return has the layers and weights of the given one: train it, and use either.
"""

from __future__ import annotations

from typing import Any

from b4k3.backend import keras

from .embedding_models import AdversarialModel, GradientPenaltyModel, VirtualAdversarialModel


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
        _checked(model), embedding_name, epsilon, steps, step_size, clean_weight=clean_weight, name=model.name
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
        _checked(model), embedding_name, epsilon, xi, iterations, weight, from_logits, name=model.name
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
    return GradientPenaltyModel(_checked(model), embedding_name, weight, name=model.name)


def _checked(model: Any) -> keras.Model:
    """Return the model if its layers can be trained in another way."""
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise TypeError(f"{type(model).__name__} has no inputs and outputs: make it of layers, keras.Model(x, y)")
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name, None) is not getattr(keras.Model, name, None):
            raise TypeError(f"{type(model).__name__} has a {name} of its own, which would be lost: take a plain model")
    return model
