"""Activations by name: the two forms of gelu under two names, and everything that Keras itself knows."""

from __future__ import annotations

import difflib
import math
from typing import Any, Callable

from ._environment import fused, keras, ops, register
from .types import Tensor


@register
def gelu_erf(x: Tensor) -> Tensor:
    """Return x · Φ(x), exactly; Φ is the distribution function of a standard normal variable.

    On Keras 2 the name 'gelu_erf' works in Keras' own layers too; on Keras 3 these take the function.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Example:
        >>> y = Dense(8, activation=gelu_erf)(keras.Input((4,)))  # [batch, 8]

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units, https://arxiv.org/abs/1606.08415
    """
    return ops.gelu(x, approximate=False)


@register
def gelu_tanh(x: Tensor) -> Tensor:
    """Approximate gelu by tanh, as Google's BERT does.

    On Keras 2 the name 'gelu_tanh' works in Keras' own layers too; on Keras 3 these take the function.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units, https://arxiv.org/abs/1606.08415
    """
    return ops.gelu(x, approximate=True)


@register
def swish(x: Tensor) -> Tensor:
    """Return x · sigmoid(x).

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Ramachandran et al., Searching for Activation Functions, https://arxiv.org/abs/1710.05941
    """
    return ops.silu(x)


@register
def leaky_relu(x: Tensor, alpha: float = 0.2) -> Tensor:
    """Return max(x, alpha · x).

    Arguments:
        x: float, [...]. The input of the activation.
        alpha: float. The slope where x is negative.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML 2013
    """
    return ops.leaky_relu(x, negative_slope=alpha)


@register
def leaky_relu_torch(x: Tensor) -> Tensor:
    """Return max(x, 0.01 · x), which torch and transformers call leaky_relu.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html
    """
    return ops.leaky_relu(x, negative_slope=0.01)


@register
def quick_gelu(x: Tensor) -> Tensor:
    """Return x · sigmoid(1.702 · x), which CLIP uses instead of gelu.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: https://github.com/hendrycks/GELUs
    """
    return x * ops.sigmoid(ops.cast(1.702 * x, x.dtype))


@register
def gelu_10(x: Tensor) -> Tensor:
    """Return `gelu_erf` limited to at most 10, for quantisation to eight bits.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Wu et al., Integer Quantization for Deep Learning Inference, https://arxiv.org/abs/2004.09602
    """
    return ops.clip(gelu_erf(x), -10.0, 10.0)


@register
def relu2(x: Tensor) -> Tensor:
    """Return the square of relu(x).

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: So et al., Primer, https://arxiv.org/abs/2109.08668
    """
    return ops.square(ops.relu(x))


@register
def relu6(x: Tensor) -> Tensor:
    """Return min(max(x, 0), 6).

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Howard et al., MobileNets, https://arxiv.org/abs/1704.04861
    """
    return ops.relu6(x)


@register
def hardswish(x: Tensor) -> Tensor:
    """Return x · min(max(x + 3, 0), 6) / 6.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Howard et al., Searching for MobileNetV3, https://arxiv.org/abs/1905.02244
    """
    return ops.hard_silu(x)


@register
def mish(x: Tensor) -> Tensor:
    """Return x · tanh(softplus(x)).

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: Misra, Mish, https://arxiv.org/abs/1908.08681
    """
    return x * ops.tanh(ops.softplus(x))


@register
def laplace(x: Tensor) -> Tensor:
    """Return the distribution function of a normal variable of mean 0.707107 and deviation 0.282095.

    MEGA uses this function as a smooth, bounded `relu2`. Its code writes the two constants, sqrt(1/2) and sqrt(1/(4π)),
    to six digits.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x, between 0 and 1.

    Reference: Ma et al., Mega, https://arxiv.org/abs/2209.10655
    """
    normal = ops.erf((x - 0.707107) * (1.0 / (0.282095 * math.sqrt(2.0))))
    return ops.cast(0.5 * (1.0 + normal), x.dtype)  # numpy's bfloat16 becomes float32 beside a number of Python


@register
def sqrtsoftplus(x: Tensor) -> Tensor:
    """Return the square root of softplus(x), by which DeepSeek V4 scores experts.

    Arguments:
        x: float, [...]. The input of the activation.

    Returns:
        float, [...], of the shape and the dtype of x.

    Reference: https://github.com/huggingface/transformers
    """
    return ops.sqrt(ops.softplus(x))


# Every activation without weights of Hugging Face transformers is found under the name that it has there, in this table
# or in Keras (relu, sigmoid, tanh, linear). The exception is its leaky_relu, whose slope is 0.01: leaky_relu_torch.
OURS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_erf": gelu_erf,
    "gelu_tanh": gelu_tanh,
    "gelu_10": gelu_10,
    "gelu_accurate": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_new": gelu_tanh,
    "gelu_python": gelu_erf,
    "gelu_python_tanh": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "hardswish": hardswish,
    "laplace": laplace,
    "leaky_relu": leaky_relu,
    "leaky_relu_torch": leaky_relu_torch,
    "mish": mish,
    "quick_gelu": quick_gelu,
    "relu2": relu2,
    "relu6": relu6,
    "silu": swish,
    "sqrtsoftplus": sqrtsoftplus,
    "swish": swish,
}

# On Keras 2, keras.layers.Dense(activation="gelu_erf") then works too; Keras 3 wants the function itself there.
keras.utils.get_custom_objects().update(gelu_erf=gelu_erf, gelu_tanh=gelu_tanh)
fused.TORCH_GELUS.update({gelu_erf: "none", gelu_tanh: "tanh"})

_gelu = gelu_erf


def set_gelu(version: str) -> None:
    """Choose what the name 'gelu' means for layers that are made from now on. Keras' own 'gelu' is not touched.

    Arguments:
        version: str. 'erf', which is the default of this package, or 'tanh'.

    Raises:
        ValueError: another version.

    Example:
        >>> set_gelu("tanh")
        >>> activations.get("gelu") is gelu_tanh
        True
        >>> set_gelu("erf")
    """
    global _gelu
    if version not in ("erf", "tanh"):
        raise ValueError(f"set_gelu knows 'erf' and 'tanh', not {version!r}.")
    _gelu = gelu_erf if version == "erf" else gelu_tanh


def get(identifier: Any) -> Callable[[Tensor], Tensor]:
    """Return the activation function that a name stands for.

    Arguments:
        identifier: str, dict, function or None. A name ('gelu' is what `set_gelu` chose; 'gelu_erf', 'gelu_tanh',
            'linear', any other name of `OURS` or of `keras.activations`), a serialized activation, a function, which is
            returned itself, or None for the identity.

    Returns:
        A function from a tensor to a tensor of the same shape.

    Raises:
        TypeError: a list; only FeedForward takes several activations, one for each of its branches.
        ValueError: an unknown name.

    Example:
        >>> activations.get("gelu_tanh") is gelu_tanh
        True
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


def _suggestion(identifier: Any) -> str:
    """Return the end of the error message, with the nearest name that exists."""
    known = sorted(OURS) + ["gelu"] + [n for n in dir(keras.activations) if not n.startswith("_")]
    near = difflib.get_close_matches(str(identifier), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else " Give a name of keras.activations or a callable."


def serialize(function: Callable[[Tensor], Tensor]) -> Any:
    """Return what a config saves for an activation.

    Arguments:
        function: function. An activation, from `get`.

    Returns:
        The name of one of our activations; for another function what `keras.activations.serialize` returns.

    Example:
        >>> activations.serialize(gelu_tanh)
        'gelu_tanh'
    """
    name = getattr(function, "__name__", None)
    if name in OURS and function is OURS[name]:  # `OURS` also has aliases; the config holds the function's own name
        return name
    return keras.activations.serialize(function)
