"""`export`: a model into a file or a folder."""

from __future__ import annotations

import os
from typing import Any, Mapping, Sequence

from .formats import checked_format, is_single_file
from .handover import write_somewhere
from .model_graph import ModelGraph


def export(
    model: Any,
    path: str | os.PathLike[str],
    format: str = "onnx",
    outputs: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    **options: Any,
) -> str:
    """Write a model for other programs."""
    path, found = os.fspath(path), checked_format(format)
    keras_model = getattr(model, "model", model)
    graph = ModelGraph(keras_model, outputs or ["last_hidden_state"], metadata)
    target = path if is_single_file(path, found) or not found.file else os.path.join(path, found.file)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    write_somewhere(format, found, graph, target, **options)
    return target
