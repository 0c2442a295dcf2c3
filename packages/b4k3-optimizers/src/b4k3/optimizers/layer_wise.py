"""Layer-wise learning rate decay: the closer a layer is to the input, the smaller is its learning rate.

`paramwise_lr_schedule` takes texts, and a variable gets the factors of all texts that its path contains. So
'Transformer-1' is a bad text: it is in 'Transformer-10-FeedForward/kernel' too. The texts here are made of the paths
that the variables of the model really have, and are tried on all of them:

    Transformer-1-FeedForward/           everything below a layer
    Embedding-Token/embeddings:0         one variable, if the name of the layer says too little
"""

from __future__ import annotations

import os
from typing import Any, Sequence

from b4k3.backend import weight_path


def layer_wise_rates(transformer: Any, decay: float = 0.95, model: Any = None) -> dict[str, float]:
    """Compute factors of the learning rate that decay from the output of a network to its input.

    A block has `decay` times the factor of the block above it: decay for the last one, decay^n for the first one of n,
    and decay^(n + 1) for the embeddings. Heads, and layers of yours, keep 1. Blocks that share their layers are one
    block; encoder and decoder of T5 count for themselves. The variables of a layer are known from the description of
    the network, and not guessed from names.

    Arguments:
        transformer: Transformer of b4k3.models, which `build_transformer_model(…, return_keras_model=False)` returns;
            or any object with a dict `layers` from name to layer, a `model`, and a method `distances_to_output` that
            returns a dict from the name of a layer to its distance.
        decay: float. The factor from one block to the block below it, above 0 and at most 1.
        model: keras.Model, or None. The model that will be trained, if it has more layers than `transformer.model`: it
            is made sure that none of them is hit.

    Returns:
        {text: factor}, for the argument `paramwise_lr_schedule` of `extend_with_parameter_wise_lr`.

    Raises:
        TypeError: `transformer` is something else, such as a keras.Model.
        ValueError: the decay is out of its range, or no text hits a variable without hitting another one.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> rates = layer_wise_rates(bert, decay=0.5)
        >>> rates["Transformer-1-FeedForward/"], rates["Transformer-0-FeedForward/"], rates["Embedding-Norm/"]
        (0.5, 0.25, 0.125)
        >>> AdamPW = extend_with_parameter_wise_lr(Adam, "AdamPW")
        >>> bert.model.compile(loss="mse", optimizer=AdamPW(5e-5, paramwise_lr_schedule=rates))

    Reference: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification,
    https://arxiv.org/abs/1801.06146; Clark et al., ELECTRA, https://arxiv.org/abs/2003.10555
    """
    if not hasattr(transformer, "distances_to_output"):
        raise TypeError(
            f"layer_wise_rates takes what build_transformer_model(…, return_keras_model=False) returns; "
            f"found {type(transformer).__name__}."
        )
    if not 0 < decay <= 1:
        raise ValueError(f"decay is above 0 and at most 1; found {decay!r}.")
    distances = {name: d for name, d in transformer.distances_to_output().items() if d}
    weights = {id(w): w for name in distances for w in transformer.layers[name].weights}
    weights.update((id(w), w) for w in (transformer.model if model is None else model).weights)
    rates: dict[str, float] = {}
    for name, distance in distances.items():
        own = {id(weight): full_path(weight) for weight in transformer.layers[name].weights}
        others = [full_path(weight) for key, weight in weights.items() if key not in own]
        rates.update((text, decay**distance) for text in texts_for(list(own.values()), others))
    return rates


def full_path(weight: Any) -> str:
    """Return the path of a variable as `paramwise_lr_schedule` sees it.

    Arguments:
        weight: variable of Keras.

    Returns:
        str, such as 'MLM-Dense/kernel:0'.
    """
    return weight_path(weight) + ":0"


def texts_for(paths: Sequence[str], others: Sequence[str]) -> list[str]:
    """Find texts that are in the given paths and in no other path.

    Arguments:
        paths: sequence of str. The paths of the variables of a layer.
        others: sequence of str. The paths of all other variables.

    Returns:
        list of str: what the paths begin with, up to a slash, if that is enough; the paths themselves if not.

    Raises:
        ValueError: a path is the end of another one.

    Example:
        >>> texts_for(["a/kernel:0", "a/bias:0"], ["b/kernel:0"])
        ['a/']
        >>> texts_for(["a/kernel:0"], ["in-a/bias:0"])
        ['a/kernel:0']
    """
    scope = os.path.commonprefix(list(paths)).rpartition("/")[0] + "/"
    if scope != "/" and not any(scope in other for other in others):
        return [scope]
    for path in paths:
        hit = [other for other in others if path in other] + [
            other for other in paths if path in other and path != other
        ]
        if hit:
            raise ValueError(
                f"the variable {path} has no text of its own: {hit[0]} contains it too. Build one of the two "
                "models with another prefix=, so that neither path is the end of the other."
            )
    return list(paths)
