"""A Keras model on its way to another process: what can be handed over, and how it is saved and loaded."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from b4k3.backend import disable_lora, keras, low_rank_of, quantised_layers
from b4k3.layers import custom_objects

from ..errors import ConfigError

MODEL, MODULES = "model.keras", "modules.json"


def save_model(model: Any, folder: str) -> None:
    """Save a Keras model for another process, which `load_model` reads.

    Arguments:
        model: Keras model.
        folder: str. An empty folder.

    Raises:
        ConfigError: a layer is of a class that the other process cannot import.
    """
    modules = sorted({type(layer).__module__ for layer in all_layers(model)})
    if "__main__" in modules:
        classes = {type(x).__name__ for x in all_layers(model) if type(x).__module__ == "__main__"}
        raise ConfigError(
            f"{', '.join(sorted(classes))}: the class is defined in the script itself (__main__), and the file is "
            "written by a process on another backend of Keras, which cannot import it; move the class to a "
            "module, or run the script on that backend"
        )
    model.save(os.path.join(folder, MODEL))
    with open(os.path.join(folder, MODULES), "w", encoding="utf-8") as file:
        json.dump(modules, file)


def load_model(folder: str) -> Any:
    """Load what `save_model` saved. LoRA is gone: its products are in the kernels.

    Arguments:
        folder: str.

    Returns:
        Keras model.
    """
    with open(os.path.join(folder, MODULES), encoding="utf-8") as file:
        modules = json.load(file)
    for module in modules:
        if module not in sys.modules:
            importlib.import_module(module)
    objects = dict(custom_objects)
    model = keras.models.load_model(os.path.join(folder, MODEL), custom_objects=objects, compile=False)
    for layer in all_layers(model):
        disable_lora(layer)  # it started anew, and adds nothing
    return model


def has_lora(model: Any) -> bool:
    """Return whether a layer of a model has LoRA.

    Arguments:
        model: Keras model.

    Returns:
        bool.
    """
    return any(low_rank_of(layer) is not None for layer in all_layers(model))


def all_layers(model: Any) -> list[Any]:
    """Return the layers of a model, and the layers inside them.

    Arguments:
        model: Keras model.

    Returns:
        list of layers.
    """
    return list(model._flatten_layers(include_self=False))


def refuse_integers(model: Any, format: str) -> None:
    """Refuse a model that `model.quantize` has changed, in a format that knows no such products.

    Arguments:
        model: Keras model.
        format: str. The name of the format.

    Raises:
        ConfigError: it has a layer whose weights are integers; the message names it.
    """
    found = quantised_layers(model)
    if found and format != "saved_model":
        raise ConfigError(
            f"format={format!r}: {found[0].path} is quantised to {found[0].quantization_mode}, and only 'saved_model' "
            "holds that: export the model before model.quantize; quantise_onnx of b4k3.models.exporting (b4k3 export "
            "--int8) makes an ONNX file int8"
        )


def refuse_other_dtypes(model: Any) -> None:
    """Refuse a model that computes in another dtype than float32.

    Arguments:
        model: Keras model.

    Raises:
        ConfigError: it has a layer that does; the message names it.
    """
    for layer in all_layers(model):
        if layer.count_params() and layer.compute_dtype != "float32":
            raise ConfigError(
                f"{layer.name} computes in {layer.compute_dtype}, and a graph is written in float32: build the model "
                "with the dtype policy float32"
            )
