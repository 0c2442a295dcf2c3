"""`keras.distribution` on JAX with the layouts of a network: set up before the model is built, and save afterwards.

The layouts must be known before a weight is made. So the network is built once without memory for its weights, which
gives the paths and shapes of the weights as Keras has them, and `layouts.py` says how each is cut.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from b4k3.backend import (
    device_mesh,
    dtype_scope,
    gathered_variables,
    layout_map,
    mesh_axes,
    parallel,
    process_index,
    wait_for_processes,
)

from ..builder import unbuilt_transformer
from ..errors import ConfigError
from .layouts import MODEL, REFUSE, plan_of

if TYPE_CHECKING:
    from ..builder import CheckpointPath, Config
    from .layouts import Plan


class Everything(set):  # type: ignore[type-arg]
    """A set that has every name.

    Example:
        >>> "any name" in Everything()
        True
    """

    def __contains__(self, name: object) -> bool:
        return True


def plan(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Any = None,
    application: str = "encoder",
    *,
    parts: int,
    uneven: str = REFUSE,
    layouts: Mapping[str, Sequence[Any]] = {},
    **kwargs: Any,
) -> Plan:
    """Plan how devices share the weights of a network that is not built yet. No device is needed for it.

    On JAX and torch the weights take no memory meanwhile; on other backends they do.

    Arguments:
        config_path: str, path, dict or None. As for `build_transformer_model`.
        checkpoint_path: str, path, dict or None. As for `build_transformer_model`. No weight of it is read.
        model: str, `Network`, class or None. As for `build_transformer_model`.
        application: str. As for `build_transformer_model`.
        parts: int. The number of devices that share the weights.
        uneven: str. "refuse" raises an error for a size that does not divide; "replicate" puts such a weight on every
            device, and the plan says so.
        layouts: dict from the path of a weight to a tuple with 'model' or None for each axis, for weights that are to
            lie otherwise.
        kwargs: the other arguments of `build_transformer_model`.

    Returns:
        `Plan`.

    Raises:
        ConfigError: a size does not divide, or the configuration is wrong.

    Example:
        >>> from b4k3.models import distribution
        >>> sizes = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
        ...          "intermediate_size": 24, "hidden_act": "gelu"}
        >>> distribution.plan(sizes, parts=4).bytes_per_device
        38160
        >>> distribution.plan(sizes, parts=3)
        Traceback (most recent call last):
        ...
        b4k3.models.errors.ConfigError: ... num_attention_heads=4 does not divide by 3...
    """
    state = random.getstate()  # initializers take their seeds from here, and the real ones shall get the same
    try:
        transformer, arguments, _ = unbuilt_transformer(config_path, checkpoint_path, model, application, kwargs)
        transformer.uninitialized = Everything()
        with dtype_scope(transformer.dtype):
            transformer.build(**arguments)
    finally:
        random.setstate(state)
    return plan_of(transformer, parts, uneven, layouts)


def model_parallel(
    config_path: Config = None,
    checkpoint_path: CheckpointPath = None,
    model: Any = None,
    application: str = "encoder",
    *,
    mesh_shape: tuple[int, int] | None = None,
    uneven: str = REFUSE,
    layouts: Mapping[str, Sequence[Any]] = {},
    whole_batches: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Set up devices that share the weights of a network, before it is built. It needs Keras 3 on JAX.

    Give it the arguments that `build_transformer_model` will get. Build, compile, fit and predict in its `scope()`.
    Batches may have any number of rows.

    Arguments:
        config_path: str, path, dict or None. As for `build_transformer_model`.
        checkpoint_path: str, path, dict or None. As for `build_transformer_model`. No weight of it is read.
        model: str, `Network`, class or None. As for `build_transformer_model`.
        application: str. As for `build_transformer_model`.
        mesh_shape: (int, int), or None. Into how many shares the rows of a batch are cut, and the weights. Their
            product is the number of devices of all processes; None cuts the weights alone.
        uneven: str. "refuse" raises an error for a size that does not divide; "replicate" puts such a weight on every
            device.
        layouts: dict from the path of a weight to a tuple with 'model' or None for each axis: for the weights of layers
            of your own, and for those that are to lie otherwise.
        whole_batches: bool or None. Whether `fit` gets the same whole batches in every process. False is the rule of
            Keras: each process gives its own rows. None is False only if there are several processes and the rows are
            cut.
        kwargs: the other arguments of `build_transformer_model`.

    Returns:
        keras.distribution.ModelParallel, whose attribute `plan` is the `Plan`.

    Raises:
        BackendError: the backend is not JAX.
        ConfigError: a size does not divide by the number of devices; the message names it. Nothing was built.
        ValueError: mesh_shape does not fit the number of devices.

    Example:
        >>> from b4k3.models import build_transformer_model, distribution
        >>> sizes = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
        ...          "intermediate_size": 24, "hidden_act": "gelu"}
        >>> with distribution.model_parallel(sizes).scope():  # doctest: +SKIP
        ...     bert = build_transformer_model(sizes)
    """
    mesh = device_mesh(mesh_shape)
    parts = mesh_axes(mesh)[MODEL]
    found = plan(
        config_path, checkpoint_path, model, application, parts=parts, uneven=uneven, layouts=layouts, **kwargs
    )
    axes = found.layouts()
    axes.update((path, tuple(cut)) for path, cut in layouts.items() if path not in axes)
    made = parallel(mesh, layout_map(mesh, axes), whole_batches, found.largest_unplanned)
    made.plan = found
    return made


def data_parallel(whole_batches: bool | None = None) -> Any:
    """Set up devices that share the rows of each batch, and hold all weights each. It needs Keras 3 on JAX.

    Build, compile, fit and predict in its `scope()`. Batches may have any number of rows.

    Arguments:
        whole_batches: bool or None. Whether `fit` gets the same whole batches in every process. False is the rule of
            Keras: each process gives its own rows, and all give equally many. None is True in one process and False
            in several.

    Returns:
        keras.distribution.DataParallel for all devices of all processes.

    Raises:
        BackendError: the backend is not JAX.

    Example:
        >>> from b4k3.models import distribution
        >>> with distribution.data_parallel().scope():  # doctest: +SKIP
        ...     bert = build_transformer_model("bert_config.json", "bert_model.ckpt")
    """
    return parallel(None, None, whole_batches)


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a Keras model whose weights may lie on several processes. Every process must call it; process 0 writes.

    `Transformer.save_weights_as_checkpoint` does the same for checkpoints.

    Arguments:
        model: keras.Model.
        path: path. ".weights.h5" means the weights, ".keras" the whole model with its optimizer.

    Raises:
        ConfigError: the path has another ending.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models import build_transformer_model, distribution
        >>> bert = build_transformer_model(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                                intermediate_size=16, hidden_act="gelu")
        >>> path = os.path.join(tempfile.mkdtemp(), "bert.weights.h5")
        >>> distribution.save(bert, path)
        >>> os.path.exists(path)
        True
    """
    name = os.fspath(path)
    if not name.endswith((".weights.h5", ".keras")):
        raise ConfigError(f"{name}: expected a path that ends in .weights.h5 or .keras")
    optimizer = getattr(model, "optimizer", None)
    variables = list(model.variables) + list(optimizer.variables if optimizer is not None else ())
    try:
        with gathered_variables(variables):
            if process_index() == 0:
                (model.save if name.endswith(".keras") else model.save_weights)(name)
    finally:
        wait_for_processes(f"save {name}")


__all__ = ["data_parallel", "model_parallel", "plan", "save"]
