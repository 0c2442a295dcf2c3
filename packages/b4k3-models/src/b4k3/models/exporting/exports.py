"""`export`: a model into a file or a folder of other programs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from b4k3.backend import keras

from ..errors import ConfigError
from .formats import Format, checked_format, is_single_file
from .handover import write_somewhere
from .model_graph import ModelGraph
from .naming import output_names
from .placing import place

if TYPE_CHECKING:
    from typing import Union

    Path = Union[str, os.PathLike[str]]


def export(
    model: Any,
    path: Path,
    format: str = "onnx",
    outputs: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    beside: Callable[[str], Any] | None = None,
    overwrite: bool = False,
    **options: Any,
) -> str:
    """Write a model as a file of another program, whatever backend Keras runs on.

    PyTorch traces 'onnx', 'openvino' and 'torch', TensorFlow traces 'saved_model' and 'litert'. If Keras runs on
    another backend, a second process on the right one does it, with the same result.

    The graph has the inputs `input_ids`, `attention_mask` and, if the network has segments, `token_type_ids`, int64,
    [batch, n], for any batch and length. Where `attention_mask` is 0, and where the id is the padding id, a token is
    hidden. An id that the vocabulary does not have gives NaN.

    Arguments:
        model: `Transformer`, or Keras model from ids to numbers that was built with b4k3.
        path: path. A folder, or a file whose name ends as `FORMATS` says: `model.onnx`.
        format: str. 'onnx', 'openvino', 'saved_model', 'litert' or 'torch'.
        outputs: sequence of str, or None. The names of the outputs; None takes those that tools expect:
            `last_hidden_state`, `pooler_output`, `logits`.
        metadata: dict, or None. It is stored in files of ONNX and OpenVINO: texts as they are, other values as JSON.
        beside: function or None. It gets the path of a folder, and writes there what belongs beside the model.
        overwrite: bool. Whether files that are there are replaced.
        options: `opset`, int, the version of ONNX's operators, 17 if it is not given.

    Returns:
        str, the path of the file that a program opens; of a SavedModel, its folder.

    Raises:
        ConfigError: there is no such format; something must be installed, which the message names; a file is there; the
            model computes in another dtype than float32; or a class of the script cannot be handed to the second
            process.

    Example:
        >>> from b4k3.models import BERT, export
        >>> bert = BERT(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=24, hidden_act="gelu")
        >>> bert.build()
        >>> export(bert, "bert", format="a drawing")
        Traceback (most recent call last):
        ...
        b4k3.models.errors.ConfigError: format='a drawing': expected one of onnx, openvino, torch, saved_model, litert
    """
    path, found = os.fspath(path), checked_format(format)
    graph = graph_of(model, outputs, metadata)
    if "opset" in options and found.backend != "torch" or set(options) - {"opset"}:
        raise ConfigError(f"{', '.join(sorted(options))}: format={format!r} has no such option")
    single = is_single_file(path, found)
    if single and beside is not None:
        raise ConfigError(f"{path} is a file, and there is more to write beside it: name a folder")
    folder = os.path.dirname(os.path.abspath(path)) if single else os.path.abspath(path)
    name = os.path.basename(path) if single else found.file
    write_staged(format, found, graph, folder, name, beside, overwrite, options)
    return os.path.join(folder, name) if name else folder


def write_staged(
    format: str,
    found: Format,
    graph: Any,
    folder: str,
    name: str,
    beside: Callable[[str], Any] | None,
    overwrite: bool,
    options: Mapping[str, Any],
) -> None:
    """Write a graph and what belongs beside it into a temporary folder, then rename its files.

    Arguments:
        format: str. The name of the format.
        found: `Format`.
        graph: object, such as a `ModelGraph`.
        folder: str. The folder of the result.
        name: str. The name of the file; '' for a SavedModel.
        beside: function or None. It writes what belongs beside the model.
        overwrite: bool. Whether files that are there are replaced.
        options: dict. Options of the format.

    Raises:
        ConfigError: a file is there that may not be replaced, or the graph cannot be written.
    """
    parent = os.path.dirname(folder)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=".export-", dir=parent)
    try:
        new = os.path.join(temporary, "new")
        os.mkdir(new)
        write_somewhere(format, found, graph, os.path.join(new, name) if name else new, **options)
        if beside is not None:
            beside(new)
        place(new, folder, last=name or "saved_model.pb", overwrite=overwrite)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def graph_of(model: Any, outputs: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None) -> ModelGraph:
    """Make the graph of a model.

    Arguments:
        model: `Transformer` or Keras model.
        outputs: sequence of str, or None. The names of the outputs.
        metadata: dict or None.

    Returns:
        `ModelGraph`.

    Raises:
        ConfigError: it is no model, or not built.
    """
    inner = getattr(model, "model", model)
    if not isinstance(inner, keras.Model):
        raise ConfigError(f"export: expected a Transformer that is built, or a Keras model, got {type(model).__name__}")
    said = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()}
    if getattr(model, "model_key", None):
        said.setdefault("architecture", model.model_key)
    return ModelGraph(inner, outputs or output_names(inner), said)
