"""`export`: a model into a file or a folder of other programs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from b4k3.backend import keras

from ..errors import ConfigError
from .decoders import generates, graphs_of
from .formats import Format, checked_format, is_single_file
from .handed_model import refuse_integers
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

    A `Transformer` that generates is written for 'onnx' and 'openvino' in the layout of Optimum, with the cached keys
    and values as inputs and outputs; see `b4k3.models.exporting.decoders`. Give its Keras model, the attribute `model`,
    to get the graph of whole texts.

    Arguments:
        model: `Transformer`, or Keras model from ids to numbers that was built with b4k3.
        path: path. A folder, or a file whose name ends as `FORMATS` says: `model.onnx`.
        format: str. 'onnx', 'openvino', 'saved_model', 'litert' or 'torch'.
        outputs: sequence of str, or None. The names of the outputs; None takes those that tools expect:
            `last_hidden_state`, `pooler_output`, `logits`.
        metadata: dict, or None. It is stored in files of ONNX and OpenVINO: texts as they are, other values as JSON.
        beside: function or None. It gets the path of a folder, and writes there what belongs beside the model.
        overwrite: bool. Whether files that are there are replaced.
        options: `opset`, int, the version of ONNX's operators, 17 if it is not given. `int8`, bool, makes the matrices
            of ONNX and OpenVINO int8.

    Returns:
        str, the path of the file that a program opens; of a SavedModel and of an encoder-decoder, its folder.

    Raises:
        ConfigError: there is no such format; something must be installed, which the message names; a file is there; the
            model computes in another dtype than float32, or is quantised and the format is not 'saved_model'; or a
            class of the script cannot be handed to the second process.

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
    graphs = graphs_for(model, found, outputs, metadata)
    refuse_integers(list(graphs.values())[0].layers[0], format)
    known = {"opset"} if found.backend == "torch" else set()
    if set(options) - (known | {"int8"} if found.caches else known):
        raise ConfigError(f"{', '.join(sorted(options))}: format={format!r} has no such option")
    if options.get("int8") and not all(isinstance(graph, ModelGraph) for graph in graphs.values()):
        raise ConfigError("int8: this network is written with its caches, and such graphs stay float: leave it out")
    single = is_single_file(path, found)
    if single and (beside is not None or len(graphs) > 1):
        raise ConfigError(f"{path} is a file, and there are several to write: name a folder")
    folder = os.path.dirname(os.path.abspath(path)) if single else os.path.abspath(path)
    if single:
        graphs = {os.path.basename(path): graph for graph in graphs.values()}
    write_staged(format, found, graphs, folder, beside, overwrite, options)
    name = list(graphs)[0] if len(graphs) == 1 else ""
    return os.path.join(folder, name) if name else folder


def write_staged(
    format: str,
    found: Format,
    graphs: Mapping[str, Any],
    folder: str,
    beside: Callable[[str], Any] | None,
    overwrite: bool,
    options: Mapping[str, Any],
) -> None:
    """Write graphs and what belongs beside them into a temporary folder, then rename its files.

    Arguments:
        format: str. The name of the format.
        found: `Format`.
        graphs: dict from the name of a file to an object such as a `ModelGraph`, all of one model; '' is the folder
            of a SavedModel.
        folder: str. The folder of the result.
        beside: function or None. It writes what belongs beside the model.
        overwrite: bool. Whether files that are there are replaced.
        options: dict. Options of the format.

    Raises:
        ConfigError: a file is there that may not be replaced, or a graph cannot be written.
    """
    parent = os.path.dirname(folder)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=".export-", dir=parent)
    try:
        new = os.path.join(temporary, "new")
        os.mkdir(new)
        targets = {os.path.join(new, name) if name else new: graph for name, graph in graphs.items()}
        write_somewhere(format, found, targets, **options)
        if beside is not None:
            beside(new)
        place(new, folder, last=list(graphs)[-1] or "saved_model.pb", overwrite=overwrite)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def graphs_for(
    model: Any, format: Format, outputs: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make the graphs of a model in a format: one, or the ones of an encoder-decoder.

    Arguments:
        model: `Transformer` or Keras model.
        format: `Format`.
        outputs: sequence of str, or None. The names of the outputs of a single graph.
        metadata: dict or None.

    Returns:
        dict from the name of a file to an object such as a `ModelGraph`; '' is the folder of a SavedModel.

    Raises:
        ConfigError: it is no model, or not built.
    """
    if outputs is not None or not format.caches or not generates(model):
        return {format.file: graph_of(model, outputs, metadata)}
    before = format.file[: -len("model" + format.suffix)]
    graphs = graphs_of(model, texts_of(model, metadata))
    return {before + name + format.suffix: graph for name, graph in graphs.items()}


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
    return ModelGraph(inner, outputs or output_names(inner), texts_of(model, metadata))


def texts_of(model: Any, metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Write metadata as texts, with the name of the architecture.

    Arguments:
        model: `Transformer` or Keras model.
        metadata: dict or None.

    Returns:
        dict from str to str.
    """
    said = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()}
    if getattr(model, "model_key", None):
        said.setdefault("architecture", model.model_key)
    return said
