"""Write a graph in a format: the part of it that is not the business of a framework."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Mapping, Sequence

from b4k3.backend import write_graph

from .onnx_int8 import outside_weights, quantise_onnx, round_matrices

ALIGNMENT = 4096  # of weights in a file of their own, so that they can be mapped into memory


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
    """Store metadata in an ONNX file; weights that lie in files of their own are brought into one.

    Arguments:
        path: str. The file.
        metadata: dict from str to str.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, dict(metadata))
    gather_weights(model, path)
    onnx.save(model, path)


def gather_weights(model: Any, path: str) -> None:
    """Bring the weights of a model that lie in files of their own into one file, `model.onnx_data`.

    PyTorch writes a file for each weight if all of them are over 2 GB, the limit of a file of ONNX.

    Arguments:
        model: `onnx.ModelProto`, which is changed. It was read without these weights.
        path: str. Its file; the weights lie beside it.
    """
    outside = outside_weights(model)
    if not outside:
        return
    folder, location = os.path.dirname(path), os.path.basename(path) + "_data"
    with open(os.path.join(folder, location), "wb") as file:
        for tensor in outside:
            at = {entry.key: entry.value for entry in tensor.external_data}
            source = os.path.join(folder, at["location"])
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            start = file.tell()
            with open(source, "rb") as single:
                single.seek(int(at.get("offset", 0)))
                shutil.copyfileobj(single, file)
            os.remove(source)
            del tensor.external_data[:]
            for key, value in (("location", location), ("offset", start), ("length", file.tell() - start)):
                tensor.external_data.add(key=key, value=str(value))


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
