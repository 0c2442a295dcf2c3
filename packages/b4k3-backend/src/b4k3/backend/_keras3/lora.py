"""Low-rank adaptation (LoRA) of layers that are built, and the weights of a layer with and without it.

Keras' own `Dense.enable_lora` makes the two matrices of a Dense layer, saves them merged and restores them. The
functions here add what Keras has no public name for. A layer with another kind of weight, such as `Embedding` of
b4k3.layers, has the attributes that Keras' layers have: `lora_enabled`, `lora_rank`, `lora_alpha`, and the two matrices
as `lora_embeddings_a` and `lora_embeddings_b`. For a kernel [in, out]:

    effective kernel = kernel + alpha / rank · a · b        a: [in, rank], b: [rank, out]
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import keras
import numpy as np

from ..types import Tensor
from .distribution import gathered

WEIGHTS = ("kernel", "embeddings")  # the weights that can be adapted, by their names in Keras


class LowRank(NamedTuple):
    """The weights of a layer that has LoRA.

    Attributes:
        base: variable, [in, out]. The weight that is adapted.
        a: variable, [in, rank].
        b: variable, [rank, out].
        scale: float. The factor on a · b.
    """

    base: Any
    a: Any
    b: Any
    scale: float


class Versions:
    """The number of times that layers got other weights (LoRA, integers): what was compiled before must not be used."""

    count = 0


def lora_version() -> int:
    """Return a number that changes whenever LoRA is put into a layer or taken out of one, or a layer is quantised.

    What was compiled under another number may lack weights that the layers have now.

    Returns:
        int.

    Example:
        >>> before = lora_version()
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> enable_lora(layer, rank=2)
        >>> lora_version() > before
        True
    """
    return Versions.count


def weights_changed() -> None:
    """Note that a layer has other weights from now on."""
    Versions.count += 1


def enable_lora(layer: Any, rank: int, alpha: float | None = None) -> None:
    """Add two small matrices to a layer, whose product is added to its kernel. The kernel is not trained any more.

    They start as in the code of the authors: of a Dense layer `a` is uniform within 1 / sqrt(in) and `b` is zero, of an
    embedding `a` is zero and `b` normal. So the layer computes what it computed before.

    Arguments:
        layer: keras.layers.Dense, or a layer with a method `enable_lora` that takes what Keras' takes. It is built.
        rank: int. The number of columns of `a`.
        alpha: float or None. The product is multiplied by alpha / rank; None means rank.

    Raises:
        ValueError: the layer has LoRA already, or this Keras has no `lora_alpha` for it.
        BackendError: the environment has Keras 2.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> enable_lora(layer, rank=2, alpha=4)
        >>> [list(weight.shape) for weight in low_rank_of(layer)[:3]]
        [[4, 8], [4, 2], [2, 8]]

    Reference: Hu et al., LoRA, https://arxiv.org/abs/2106.09685
    """
    keywords: dict[str, Any] = dict(zip(("a_initializer", "b_initializer"), initializers_of(layer)))
    if "lora_alpha" in inspect.signature(layer.enable_lora).parameters:
        keywords["lora_alpha"] = alpha
    elif alpha not in (None, rank):
        raise ValueError(
            f"{layer.name}: Keras {keras.__version__} has no lora_alpha for this layer, so alpha must be the rank, "
            f"{rank}: leave it out, or install a newer Keras"
        )
    layer.enable_lora(rank, **keywords)
    weights_changed()


def initializers_of(layer: Any) -> tuple[Any, Any]:
    """Return new initializers for the matrices a and b of a layer."""
    if isinstance(layer, keras.layers.Dense):
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"), "zeros"
    return "zeros", keras.initializers.RandomNormal(stddev=1.0)


def add_weight_later(layer: Any, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
    """Add a float32 weight to a layer that is built, under the attribute of the same name.

    Arguments:
        layer: Keras layer. It is built.
        name: str. The name of the weight and of the attribute.
        shape: tuple of int. The shape of the weight.
        initializer: str or initializer.

    Returns:
        The variable.

    Raises:
        BackendError: the environment has Keras 2.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> list(add_weight_later(layer, "factor", (8,), "ones").shape)
        [8]
    """
    layer._tracker.unlock()
    try:
        variable = layer.add_weight(
            name=name, shape=shape, initializer=keras.initializers.get(initializer), dtype="float32"
        )
        setattr(layer, name, variable)
    finally:
        layer._tracker.lock()
    return variable


def low_rank_of(layer: Any) -> LowRank | None:
    """Return the weights of a layer that has LoRA.

    Arguments:
        layer: Keras layer.

    Returns:
        The named tuple (base, a, b, scale): the variables [in, out], [in, rank] and [rank, out], and the factor on the
        product of the last two. None if the layer has no LoRA of its own; the layers inside it are not looked at.

    Example:
        >>> low_rank_of(Dense(8)) is None
        True
    """
    if not getattr(layer, "lora_enabled", False):
        return None
    for name in WEIGHTS:
        a = getattr(layer, f"lora_{name}_a", None)
        if a is not None:
            alpha = getattr(layer, "lora_alpha", None)  # Keras 3.5 has none
            scale = (layer.lora_rank if alpha is None else alpha) / layer.lora_rank
            return LowRank(base_of(layer), a, getattr(layer, f"lora_{name}_b"), scale)
    return None


def base_of(layer: Any) -> Any:
    """Return the variable of a layer that LoRA adapts; None if there is none."""
    for name in WEIGHTS:
        for attribute in (f"_{name}", name):
            variable = getattr(layer, attribute, None)
            if variable is not None:
                return variable
    return None


def disable_lora(layer: Any) -> None:
    """Take LoRA out of a layer: it has its base weight alone again, which is trained again.

    Arguments:
        layer: Keras layer with LoRA of its own; another layer stays as it is.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> enable_lora(layer, rank=2)
        >>> disable_lora(layer)
        >>> len(layer.weights)
        2
    """
    found = low_rank_of(layer)
    if found is None:
        return
    for name in WEIGHTS:
        for attribute in (f"lora_{name}_a", f"lora_{name}_b"):
            variable = getattr(layer, attribute, None)
            if variable is not None:
                layer._untrack_variable(variable)
                setattr(layer, attribute, None)
    layer.lora_enabled, layer.lora_rank, layer.lora_alpha = False, None, None
    found.base.trainable = "float" in str(found.base.dtype)  # integers of a quantised layer cannot be trained
    weights_changed()


def reset_lora(layer: Any) -> None:
    """Give the matrices of a layer with LoRA new start values, so that the layer computes what its base weight gives.

    Arguments:
        layer: Keras layer with LoRA of its own; another layer stays as it is.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> enable_lora(layer, rank=2)
        >>> reset_lora(layer)
    """
    found = low_rank_of(layer)
    if found is not None:
        for variable, initializer in zip((found.a, found.b), initializers_of(layer)):
            variable.assign(keras.initializers.get(initializer)(tuple(variable.shape), dtype=variable.dtype))


def layers_inside(layer: Any) -> list[Any]:
    """Return a layer and all layers that it owns.

    Arguments:
        layer: Keras layer.

    Returns:
        list of Keras layers. The layer itself is the first one.

    Raises:
        BackendError: the environment has Keras 2.

    Example:
        >>> layer = Dense(8)
        >>> layers_inside(layer) == [layer]
        True
    """
    return list(layer._flatten_layers())


def base_weights(layer: Any) -> list[Any]:
    """Return the weights of a layer without the matrices of LoRA: the ones that a checkpoint has.

    Arguments:
        layer: Keras layer.

    Returns:
        list of variables, in the order of `layer.weights`.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> enable_lora(layer, rank=2)
        >>> [list(weight.shape) for weight in base_weights(layer)]
        [[4, 8], [8]]
    """
    added = {
        id(weight) for found in map(low_rank_of, layer._flatten_layers()) if found for weight in (found.a, found.b)
    }
    return [weight for weight in layer.weights if id(weight) not in added]


def merged_weights(layer: Any) -> list[np.ndarray]:
    """Return the values of `base_weights`, with the products of LoRA added to the weights that they adapt.

    Arguments:
        layer: Keras layer.

    Returns:
        list of arrays, in the order and of the dtypes of `base_weights`.

    Raises:
        ValueError: a layer is quantised: its integers are no weights of a checkpoint.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> [value.shape for value in merged_weights(layer)]
        [(4, 8), (8,)]
    """
    for inner in layer._flatten_layers():
        if getattr(inner, "quantization_mode", None) is not None:
            raise ValueError(f"{inner.name} is quantised to {inner.quantization_mode}, so it has no float weights")
    found = {id(low.base): low for low in map(low_rank_of, layer._flatten_layers()) if low is not None}
    return [merged(found[id(w)]) if id(w) in found else gathered(w) for w in base_weights(layer)]


def merged(found: LowRank) -> np.ndarray:
    """Return the effective weight of a layer with LoRA, in the dtype of the base weight; it is summed in float32."""
    base, a, b = (gathered(weight) for weight in found[:3])
    product = a.astype("float32") @ b.astype("float32")
    return (base.astype("float32") + np.float32(found.scale) * product).astype(base.dtype)


def effective(found: LowRank) -> Tensor:
    """Return the effective weight of a layer with LoRA as a tensor, in the dtype of the base weight."""
    base, a, b = (keras.ops.convert_to_tensor(weight) for weight in found[:3])
    return base + keras.ops.cast(keras.ops.matmul(a, b) * found.scale, base.dtype)


def forget_compiled(model: Any) -> None:
    """Make a model compile its functions for training, testing and prediction again when they are next called.

    Arguments:
        model: keras.Model.

    Example:
        >>> inputs = keras.Input((4,))
        >>> forget_compiled(keras.Model(inputs, Dense(8)(inputs)))
    """
    model.train_function = model.test_function = model.predict_function = None
