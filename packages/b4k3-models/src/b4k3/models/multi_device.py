"""One model on several GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import device_scope, get_available_gpus, keras
from b4k3.layers import BatchConcat, BatchSplit

if TYPE_CHECKING:
    from typing import Iterable


def data_parallel(model: Any, devices: Iterable[str] | None = None, parts: Sequence[float] | None = None) -> Any:
    """Make a model that cuts each batch into parts and computes each part on its own device. The weights are shared.

    It works where Keras builds a graph whose operations stay on their device: keras 2.3.1 and tf.keras 1.15. Other
    environments have a replacement: `tf.distribute.MirroredStrategy`, `b4k3.models.distribution.data_parallel` on JAX,
    `b4k3.models.distribution.distributed_data_parallel` on PyTorch. The page 'From one core to a cluster' of the
    documentation has recipes.

    Arguments:
        model: Keras model.
        devices: names such as "/device:GPU:0"; None takes all GPUs.
        parts: numbers, the relative size of the part of each device; None makes equal parts.

    Returns:
        A Keras model with the inputs, the outputs and the weights of the given one. Save and load the given one. With
        fewer than two devices the given model itself is returned.

    Raises:
        NotImplementedError: there are several devices in an environment that has a replacement; the message names it.
        ValueError: there are not as many parts as devices.

    Example:
        >>> from b4k3.backend import keras
        >>> from b4k3.models import data_parallel
        >>> x = keras.Input((4,))
        >>> model = keras.Model(x, keras.layers.Dense(1)(x))
        >>> data_parallel(model, devices=["/device:GPU:0"]) is model
        True
    """
    devices = get_available_gpus() if devices is None else list(devices)
    if len(devices) < 2:
        return model
    if parts is not None and len(parts) != len(devices):
        raise ValueError(f"data_parallel: {len(parts)} parts for {len(devices)} devices; give one for each.")
    scopes = [device_scope(device) for device in devices]
    inputs = [BatchSplit(parts or len(devices))(x) for x in model.inputs]
    results = []
    for scope, shares in zip(scopes, zip(*inputs)):
        with scope:
            outputs = model(shares[0] if len(shares) == 1 else list(shares))
        results.append(outputs if isinstance(outputs, (list, tuple)) else [outputs])
    joined = [BatchConcat(name=name)(list(x)) for name, x in zip(model.output_names, zip(*results))]
    return keras.Model(model.inputs, joined)
