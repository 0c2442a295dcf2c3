"""Write a graph in a format: the part of it that is not the business of a framework."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Mapping, Sequence

from b4k3.backend import write_graph

from .onnx_int8 import quantise_onnx, round_matrices


def write(name: str, graph: Any, path: str, int8: bool = False, **options: Any) -> None:
    """Write a graph, on the backend that traces its format.

    Arguments:
        name: str. The name of the format.
        graph: object, such as a `ModelGraph`.
        path: str. The file, or for a SavedModel the folder.
        int8: bool. Whether the matrices of 'onnx' and 'openvino' become int8.
        options: further arguments of `write_graph`.
    """
    if name == "openvino":
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
            onnx = os.path.join(folder, "model.onnx")
            write("onnx", graph, onnx, **options)
            if int8:
                round_matrices(onnx, onnx)
            convert_to_openvino(onnx, path, graph.metadata, [port.name for port in [*graph.inputs, *graph.outputs]])
        return
    write_graph(name, graph, graph.layers, graph.inputs, graph.outputs, path, graph.limits, **options)
    if name == "onnx":
        if int8:
            quantise_onnx(path, path)
        add_metadata(path, graph.metadata)


def add_metadata(path: str, metadata: Mapping[str, str]) -> None:
    """Store metadata in an ONNX file.

    Arguments:
        path: str. The file.
        metadata: dict from str to str.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)


def convert_to_openvino(onnx: str, path: str, metadata: Mapping[str, str], names: Sequence[str] = ()) -> None:
    """Convert an ONNX file to OpenVINO's pair of files, in float32.

    Arguments:
        onnx: str. The ONNX file.
        path: str. The .xml file to write; the .bin file gets the same name.
        metadata: dict from str to str. It is stored as `rt_info` under 'b4k3'.
        names: sequence of str. The names of inputs and outputs; a tensor loses other names that OpenVINO gave it.
    """
    import openvino

    model = openvino.convert_model(onnx)
    for port in [*model.inputs, *model.outputs]:
        known = port.get_names() & set(names)
        if known:
            port.get_tensor().set_names(known)
    for key, value in metadata.items():
        model.set_rt_info(value, ["b4k3", key])
    openvino.save_model(model, path, compress_to_fp16=False)
