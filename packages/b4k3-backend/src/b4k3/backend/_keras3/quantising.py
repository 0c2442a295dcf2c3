"""Matrices of layers as small integers: what `keras.Model.quantize` makes of our layers.

A matrix becomes integers and scales, one scale for each row of a table, or for each output of a product:

    table [ 0.5 -1.0]   int8 [ 64 -127]   scales [1.0 / 127]   value ≈ integer · scale, within half a scale
          [ 2.0  0.0]        [127    0]          [2.0 / 127]

In the mode 'int4' the integers reach from -7 to 7, and one byte holds two of them.

Keras asks only leaves to quantise themselves, which are layers without layers inside. Dense layers of ours do what
`keras.layers.Dense` does. Every other layer of ours names its matrices in `matrix_axes`; what it multiplies or looks up
comes from `Layer.matrix`, which gives floats again. An owner saves the dtype policies of the layers inside, so that a
model that is loaded makes integers at once. All that this needs of Keras' private names is in this module.
"""

from __future__ import annotations

import re
import weakref
from typing import Any, Mapping

import keras
import numpy as np

from .._missing import BackendError
from .._runtime import major_minor
from .._serialization import make_register
from ..types import Tensor
from .distribution import gathered
from .lora import weights_changed

OLDEST = (3, 15)  # the first Keras whose `quantize` is tested here
LARGEST = {"int8": 127, "int4": 7}  # mode -> the largest integer

register = make_register(keras.saving.register_keras_serializable)


def check_mode(layer: Any, mode: str | None) -> None:
    """Refuse what our layers cannot do.

    Arguments:
        layer: Keras layer.
        mode: str. The mode that `quantize` was asked for.

    Raises:
        BackendError: this Keras is older than 3.15.
        ValueError: the mode is not int8, int4 or float8.
    """
    if major_minor(keras.__version__) < OLDEST:
        raise BackendError(
            f"{layer.name} cannot be quantised by Keras {keras.__version__}: install Keras 3.15 or a newer one, which "
            "needs Python 3.11"
        )
    if mode not in (*LARGEST, "float8"):
        raise ValueError(
            f"{layer.name} cannot be quantised to {mode!r}, which needs Keras' own blocks of layers: use 'int8', "
            "'int4' or 'float8', or filters= that leave out the layers of b4k3"
        )


def quantise_matrices(layer: Any, mode: str) -> None:
    """Replace the matrices of a layer by integers and scales.

    Arguments:
        layer: `Layer` of b4k3, which is built.
        mode: str. 'int8', 'int4' or 'float8'.

    Raises:
        ValueError: the layer has a matrix that it does not name in `matrix_axes` or `float_matrices`, has LoRA, or
            multiplies by its matrices, which float8 cannot have.
        NotImplementedError: the layer looks rows up, and the mode is 'float8'. Keras makes a warning of it.
    """
    matrices = layer.matrix_axes
    refuse_unknown(layer)
    if not matrices:
        return
    if mode == "float8":
        problem = f"{layer.name} stays as it is, because float8 of Keras is for Dense layers"
        if all(axes == (-1,) for axes in matrices.values()):
            raise NotImplementedError(problem)
        raise ValueError(f"{problem}: use 'int8' or 'int4', or filters= that leave it out")
    if getattr(layer, "lora_enabled", False):
        raise ValueError(f"{layer.name} has LoRA: merge it (transformer.merge_lora) before you quantise the model")
    floats = {attribute: getattr(layer, attribute) for attribute in matrices}
    policy = quantised_policy(mode, layer.dtype_policy.name)
    with unlocked(layer):
        for attribute, variable in floats.items():
            value, name = gathered(variable), variable.name
            delattr(layer, attribute)
            add_integers(layer, attribute, name, value.shape, mode)
            assign_integers(layer, attribute, value, mode)
        layer.dtype_policy = policy
    weights_changed()


def refuse_unknown(layer: Any) -> None:
    """Refuse a layer that has a matrix whose use is unknown: it would stay float though the model says int8."""
    known = {id(getattr(layer, name, None)) for name in (*layer.matrix_axes, *layer.float_matrices)}
    for weight in layer.weights:
        if id(weight) not in known and sum(size > 1 for size in weight.shape) > 1 and "float" in str(weight.dtype):
            raise ValueError(
                f"{layer.name} has the matrix {weight.name}, {list(weight.shape)}, which cannot be quantised: make it "
                "by add_matrix and read it by matrix, name it in float_matrices of the class, or give "
                "quantize(filters=) that leave the layer out"
            )


class unlocked:  # noqa: N801 (a context, which reads as a word)
    """Let a layer that is built get other weights meanwhile.

    Arguments:
        layer: Keras layer.
    """

    def __init__(self, layer: Any) -> None:
        self.tracker = layer._tracker

    def __enter__(self) -> None:
        self.tracker.unlock()

    def __exit__(self, *error: Any) -> None:
        self.tracker.lock()


def quantised_policy(mode: str, source: str) -> Any:
    """Return the dtype policy of a layer whose matrices are integers."""
    return keras.dtype_policies.get(f"{'int4/-1' if mode == 'int4' else mode}_from_{source}")


def float_policy(policy: Any) -> Any:
    """Return the dtype policy that a layer had before it was quantised."""
    name = str(getattr(policy, "name", ""))
    return keras.dtype_policies.get(name.split("_from_", 1)[1]) if "_from_" in name else policy


def add_integers(layer: Any, attribute: str, name: str, shape: tuple[int, ...], mode: str) -> None:
    """Make the variables of a matrix: the integers, and under the attribute with '_scale' behind it the scales."""
    width = shape[-1] if mode == "int8" else (shape[-1] + 1) // 2
    axes = {axis % len(shape) for axis in layer.matrix_axes[attribute]}
    scales = tuple(1 if i in axes else size for i, size in enumerate(shape))
    layer.matrix_shapes[attribute] = shape
    keywords: dict[str, Any] = dict(trainable=False, autocast=False)
    values = layer.add_weight(name=name, shape=(*shape[:-1], width), initializer="zeros", dtype="int8", **keywords)
    setattr(layer, attribute, values)
    setattr(
        layer,
        f"{attribute}_scale",
        layer.add_weight(name=f"{name}_scale", shape=scales, initializer="ones", **keywords),
    )
    layer._is_quantized = True  # or Keras would quantise again once the policy is set


def assign_integers(layer: Any, attribute: str, value: np.ndarray, mode: str) -> None:
    """Set the integers and scales of a matrix from its floats."""
    value = value.astype("float32")
    limit, axes = LARGEST[mode], layer.matrix_axes[attribute]
    scale = np.maximum(np.abs(value).max(axis=axes, keepdims=True), 1e-7) / limit
    integers = np.rint(value / scale).astype("int8")
    if mode == "int4":
        integers = keras.ops.convert_to_numpy(keras.quantizers.pack_int4(integers, axis=-1)[0])
    getattr(layer, attribute).assign(integers)
    getattr(layer, f"{attribute}_scale").assign(scale)


def floats_of(layer: Any, attribute: str) -> Tensor:
    """Return a quantised matrix as floats, in the dtype of its scales."""
    return unpacked(layer, attribute, getattr(layer, attribute), getattr(layer, f"{attribute}_scale"))


def unpacked(layer: Any, attribute: str, integers: Any, scales: Any) -> Tensor:
    """Multiply integers with their scales.

    Arguments:
        layer: `Layer` of b4k3. The layer that has the matrix.
        attribute: str. The attribute of the matrix.
        integers: int8, [..., width]. The integers, or rows of them; in the mode 'int4' half as wide.
        scales: float, of a shape that broadcasts with the integers.

    Returns:
        float, [..., width].
    """
    integers, scales = keras.ops.convert_to_tensor(integers), keras.ops.convert_to_tensor(scales)
    if layer.quantization_mode == "int4":
        integers = keras.quantizers.unpack_int4(integers, layer.matrix_shapes[attribute][-1], axis=-1)
    return keras.ops.cast(integers, scales.dtype) * scales


def dense_kernel(layer: Any) -> Tensor:
    """Return the kernel of a Dense layer as floats, quantised or not.

    Arguments:
        layer: keras.layers.Dense, which is built.

    Returns:
        float, [d, units].

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> dense_kernel(layer).shape
    """
    kernel = keras.ops.convert_to_tensor(layer.kernel)
    if layer.quantization_mode not in LARGEST:
        return kernel
    scale = keras.ops.convert_to_tensor(layer.kernel_scale)
    if getattr(layer, "g_idx", None) is None:
        return keras.ops.cast(kernel, scale.dtype) / scale
    group = keras.ops.cast(keras.ops.convert_to_tensor(layer.g_idx), "int32")  # [d]
    zero = keras.ops.cast(keras.ops.convert_to_tensor(layer.kernel_zero), scale.dtype)  # [groups, units]
    shifted = keras.ops.cast(kernel, scale.dtype) - keras.ops.take(zero, group, axis=0)  # [d, units]
    return shifted * keras.ops.take(scale, group, axis=0)


def quantised_layers(layer: Any) -> list[Any]:
    """Return the layers whose weights are quantised, among a layer and all layers that it owns.

    Arguments:
        layer: Keras layer or model.

    Returns:
        list of Keras layers.

    Example:
        >>> quantised_layers(Dense(8))
        []
    """
    return [inner for inner in layer._flatten_layers() if getattr(inner, "quantization_mode", None) is not None]


@register
class SublayerPolicies(keras.dtype_policies.DTypePolicyMap):
    """The dtype policies of the layers inside a layer, by patterns of their paths, and how each was quantised.

    Arguments:
        default_policy: str. The name of the policy of every other layer inside.
        policy_map: dict from a pattern of a path to a dtype policy.
        configs: dict from the same patterns to a saved `keras.quantizers.QuantizationConfig`, or None.
    """

    def __init__(
        self,
        default_policy: Any = None,
        policy_map: Any = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(default_policy, policy_map)
        self.configs = dict(configs or {})

    def config_for(self, path: str) -> Any:
        """Return the configuration by which a layer was quantised; None is Keras' own.

        Arguments:
            path: str. The path of the layer.

        Returns:
            keras.quantizers.QuantizationConfig, or None.
        """
        for pattern, config in self.configs.items():
            if re.fullmatch(pattern, path):
                return keras.saving.deserialize_keras_object(config)
        return None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make these policies again."""
        return dict(super().get_config(), configs=self.configs)


def saved_config(layer: Any) -> Any:
    """Return the configuration that the owner of a layer has saved for it, or None."""
    policy = layer.dtype_policy
    return policy.config_for(layer.path) if isinstance(policy, SublayerPolicies) else None


def settle_policy(layer: Any) -> None:
    """Give a layer that is built its own policy in place of the policies of all layers inside its owner.

    A Dense layer of Keras 3.15 would save no scales otherwise: it reads the mode of the map, not its own.

    Arguments:
        layer: Keras layer, which is built.
    """
    policy = layer.dtype_policy
    if isinstance(policy, SublayerPolicies):
        layer._dtype_policy = policy[layer.path]


def sublayer_policies(owner: Any) -> SublayerPolicies | None:
    """Return the policies that make the layers inside a layer as they are now; None if none of them is quantised.

    Arguments:
        owner: Keras layer.

    Returns:
        SublayerPolicies, or None.

    Raises:
        ValueError: a layer of Keras itself inside was quantised by a configuration of one's own, which it would lose.
    """
    inner = [layer for layer in quantised_layers(owner) if layer is not owner]
    if not inner:
        return None
    policies, configs = {}, {}
    for layer in inner:
        path = layer.path.rsplit(f"{owner.name}/", 1)[-1]
        pattern = f"(?:.*/)?{re.escape(f'{owner.name}/{path}')}"
        policies[pattern] = layer.dtype_policy
        config = keras.saving.serialize_keras_object(getattr(layer, "quantization_config", None))
        if getattr(layer, "reads_saved_config", False):
            configs[pattern] = config
        elif config is not None and config != keras.saving.serialize_keras_object(type(layer.quantization_config)()):
            raise ValueError(
                f"{layer.path} was quantised by a configuration that {owner.name} cannot save: use filters= that leave "
                "it out, or Keras' own configuration"
            )
    policy = owner.dtype_policy
    default = policy.default_policy if isinstance(policy, keras.dtype_policies.DTypePolicyMap) else float_policy(policy)
    return SublayerPolicies(default.name, policies, configs)


class OwnMatrices(keras.layers.Layer):
    """A leaf that hands on `quantize` to its owner, which Keras does not ask because it has layers inside.

    Arguments:
        owner: `Layer` of b4k3.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__(name="matrices")
        self._owner = weakref.ref(owner)

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Quantise the matrices of the owner.

        Arguments:
            mode: str. As for `keras.layers.Layer.quantize`.
            type_check: bool. It is not read.
            config: keras.quantizers.QuantizationConfig, or None. Only its mode counts.
        """
        owner = self._owner()
        if owner is not None:
            owner.quantize(mode, config=config)


def ask_owner(owner: Any) -> OwnMatrices:
    """Return a leaf by which `model.quantize` reaches a layer that has matrices of its own and layers inside.

    Arguments:
        owner: `Layer` of b4k3. It keeps the leaf as an attribute.

    Returns:
        Keras layer without weights.
    """
    leaf = OwnMatrices(owner)
    leaf.build(None)
    return leaf
