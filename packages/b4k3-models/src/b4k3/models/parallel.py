"""One model on several GPUs."""

from __future__ import annotations

from b4k3.backend import device_scope, get_available_gpus, keras
from b4k3.layers import BatchConcat, BatchSplit


def data_parallel(model, devices=None, parts=None):
    """A model that cuts each batch into parts, and computes each on a device of its own. The weights are shared.

    It works where Keras builds a graph whose operations stay where they are put: keras 2.3.1, and tf.keras 1.15. Other
    rows have what replaces it: `tf.distribute.MirroredStrategy`, `keras.distribution.DataParallel` on JAX,
    `torch.nn.parallel.DistributedDataParallel`.

    Arguments:
        model: a Keras model.
        devices: list of names such as '/device:GPU:0'; None for all GPUs.
        parts: relative size of each device's part; None for equal ones.

    Returns:
        A model with the inputs, the outputs and the weights of the given one; with less than two devices the model
        itself. Save and load the given one.

    Raises:
        NotImplementedError: several devices, on a row where the framework has a replacement: it is named.
        ValueError: parts are not as many as devices.
    """
    devices = get_available_gpus() if devices is None else list(devices)
    if len(devices) < 2:
        return model
    if parts is not None and len(parts) != len(devices):
        raise ValueError("data_parallel: %d parts for %d devices; give one for each." % (len(parts), len(devices)))
    scopes = [device_scope(device) for device in devices]
    inputs = [BatchSplit(parts or len(devices))(x) for x in model.inputs]
    results = []
    for scope, shares in zip(scopes, zip(*inputs)):
        with scope:
            outputs = model(shares[0] if len(shares) == 1 else list(shares))
        results.append(outputs if isinstance(outputs, (list, tuple)) else [outputs])
    joined = [BatchConcat(name=name)(list(x)) for name, x in zip(model.output_names, zip(*results))]
    return keras.Model(model.inputs, joined)
