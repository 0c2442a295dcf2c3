"""Activations by name: the two forms of gelu, told apart, and everything that the row's Keras knows."""

from __future__ import annotations

import difflib

from ._row import keras, ops, register


@register
def gelu_erf(x):
    """x · Φ(x), exactly. Arguments: x float [...]. Returns: shape and dtype of x.

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units, https://arxiv.org/abs/1606.08415
    """
    return ops.gelu(x, approximate=False)


@register
def gelu_tanh(x):
    """The approximation of gelu by tanh, which Google's BERT uses. Arguments: x float [...]. Returns: as x.

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units, https://arxiv.org/abs/1606.08415
    """
    return ops.gelu(x, approximate=True)


@register
def swish(x):
    """x · sigmoid(x). Arguments: x float [...]. Returns: as x.

    Reference: Ramachandran et al., Searching for Activation Functions, https://arxiv.org/abs/1710.05941
    """
    return ops.silu(x)


@register
def leaky_relu(x, alpha=0.2):
    """max(x, alpha · x). Arguments: x float [...]; alpha the slope of negative numbers. Returns: as x."""
    return ops.leaky_relu(x, negative_slope=alpha)


OURS = {
    "gelu_erf": gelu_erf,
    "gelu_tanh": gelu_tanh,
    "gelu_new": gelu_tanh,  # the name in configs of Hugging Face
    "gelu_pytorch_tanh": gelu_tanh,
    "swish": swish,
    "silu": swish,
    "leaky_relu": leaky_relu,
}

# On Keras 2, keras.layers.Dense(activation="gelu_erf") then works too; Keras 3 wants the function itself there.
keras.utils.get_custom_objects().update(gelu_erf=gelu_erf, gelu_tanh=gelu_tanh)

_gelu = gelu_erf


def set_gelu(version):
    """Say what the name 'gelu' means for layers that are made from now on. Keras' own 'gelu' is not touched.

    Arguments:
        version: `'erf'` (how it is at first) or `'tanh'`.

    Raises:
        ValueError: another version.
    """
    global _gelu
    if version not in ("erf", "tanh"):
        raise ValueError(f"set_gelu knows 'erf' and 'tanh', not {version!r}.")
    _gelu = gelu_erf if version == "erf" else gelu_tanh


def get(identifier):
    """The activation function of a name.

    Arguments:
        identifier: a name (`'gelu'` is what `set_gelu` says; `'gelu_erf'`, `'gelu_tanh'`, `'linear'`, any name of the
            row's `keras.activations`), a serialized activation, a callable, or None for the identity.

    Returns:
        A callable from a tensor to a tensor of the same shape.

    Raises:
        TypeError: a list; only FeedForward takes several activations, one for each of its branches.
        ValueError: an unknown name.
    """
    if isinstance(identifier, (list, tuple)):
        raise TypeError(
            f"One activation was expected and a list found: {identifier!r}. Only a gated FeedForward takes a list, one "
            "activation for each branch."
        )
    if callable(identifier):
        return identifier
    if isinstance(identifier, str):
        name = identifier[len("b4k3>") :] if identifier.startswith("b4k3>") else identifier
        if name == "gelu":
            return _gelu
        if name in OURS:
            return OURS[name]
    try:
        return keras.activations.get(identifier)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Unknown activation {identifier!r}.{_suggestion(identifier)}") from error


def _suggestion(identifier):
    known = sorted(OURS) + ["gelu"] + [n for n in dir(keras.activations) if not n.startswith("_")]
    near = difflib.get_close_matches(str(identifier), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else " Give a name of keras.activations or a callable."


def serialize(function):
    """What a config holds for an activation: the name of one of ours, else what the row's Keras makes of it."""
    for name, ours in OURS.items():
        if function is ours:
            return name
    return keras.activations.serialize(function)
