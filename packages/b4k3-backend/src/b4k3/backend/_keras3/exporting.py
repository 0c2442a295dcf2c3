"""Write a function of tensors, with the weights that it reads, in the file formats of other programs.

PyTorch traces ONNX and `torch.export`, TensorFlow traces SavedModel and LiteRT.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
import warnings
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import keras

from .._tracing import tracing
from ..types import GraphTensor, Tensor
from .export_scope import export_scope

BACKEND = keras.config.backend()
if BACKEND == "torch":
    import torch
elif BACKEND == "tensorflow":
    import tensorflow as tf

SAMPLE_SIZE = 7  # of an axis of any size, while the function is traced; the first such axis has one more


def write_graph(
    format: str,
    function: Callable[..., Sequence[Tensor]],
    layers: Sequence[Any],
    inputs: Sequence[GraphTensor],
    outputs: Sequence[GraphTensor],
    path: str,
    limits: Mapping[str, int] | None = None,
    **options: Any,
) -> None:
    """Trace a function, and write it as a graph.

    Arguments:
        format: str. 'onnx' or 'torch' on the backend torch, 'saved_model' or 'litert' on TensorFlow.
        function: function. It takes a tensor for each of `inputs`, and returns one for each of `outputs`.
        layers: list of Keras layers and models. Whatever weights the function reads are theirs.
        inputs: list of `GraphTensor`. The inputs of the graph.
        outputs: list of `GraphTensor`. Its outputs.
        path: str. The file, or for 'saved_model' the folder.
        limits: dict from the name of an axis to its largest size, or None.
        options: further arguments of the format: `opset`, int, of 'onnx'.

    Raises:
        ValueError: this backend does not trace this format.

    Example:
        >>> from b4k3.backend import write_graph
        >>> write_graph("a drawing", None, [], [], [], "model")
        Traceback (most recent call last):
        ...
        ValueError: 'a drawing' ...
    """
    write = WRITERS.get((BACKEND, format))
    if write is None:
        raise ValueError(f"{format!r} is not traced by the backend {BACKEND}")
    with tracing, export_scope():
        write(function, list(layers), list(inputs), list(outputs), path, dict(limits or {}), **options)


ANY, SEVERAL, UNSAID = range(3)  # models; models with several inputs; calls that do not say the sizes of the inputs
SAMPLE = "takes a sample of one token, and the file is for nothing else: give input_signature"
UNKNOWN = "traces no length that it does not know: give input_signature"
# (backend, format of Keras' own `export`) -> (what it cannot write, why)
REFUSED = {
    ("torch", "openvino"): (SEVERAL, "traces no model with a list of inputs"),
    ("torch", "tf_saved_model"): (ANY, "traces no model of PyTorch"),
    ("torch", "litert"): (UNSAID, SAMPLE),
    ("torch", "torch"): (UNSAID, SAMPLE),
    ("tensorflow", "onnx"): (ANY, "writes an operation that ONNX does not have (Erfc of tf2onnx)"),
    ("tensorflow", "torch"): (ANY, "has no such format"),
    ("jax", "tf_saved_model"): (UNSAID, UNKNOWN),
    ("jax", "openvino"): (ANY, "gives OpenVINO an operation that it does not have"),
    ("jax", "onnx"): (ANY, "needs jax2onnx, with which nobody has tested our models"),
    ("jax", "litert"): (ANY, "has no such format"),
    ("jax", "torch"): (ANY, "has no such format"),
}
SIZES = {"input_signature", "dynamic_shapes"}  # arguments that say sizes
OURS = {"tf_saved_model": "saved_model"}  # names of formats for b4k3.models.export


@contextlib.contextmanager
def keras_export(format: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[None]:
    """Let layers take the forms that other programs know while Keras' own `export` runs.

    Arguments:
        format: str. The format, as Keras calls it.
        inputs: list of tensors, symbolic. The inputs of the model.
        options: dict. The further arguments of `export`.

    Returns:
        A context manager.

    Raises:
        ValueError: Keras cannot write the model in this format on this backend; the message says what can.
    """
    what, reason = REFUSED.get((BACKEND, format), (None, ""))
    unsaid = not SIZES & set(options)
    if what == ANY or (what == UNSAID and unsaid) or (what == SEVERAL and unsaid and len(inputs) > 1):
        raise ValueError(
            f"format={format!r}: Keras {keras.__version__} on {BACKEND} {reason}. "
            f"b4k3.models.export(model, path, format={OURS.get(format, format)!r}) writes it for any batch and length"
        )
    with tracing, export_scope(), symbolic_ravel(9) if BACKEND == "torch" else contextlib.nullcontext():
        yield


# --------------------------------------------------------------------------------------------------- torch


def write_onnx(function: Any, layers: Any, inputs: Any, outputs: Any, path: str, limits: Any, opset: int = 17) -> None:
    """Write an ONNX file by torch's tracer, whose graphs the optimizers of onnxruntime know."""
    ports = inputs + outputs
    dynamic = {p.name: {i: a for i, a in enumerate(p.axes) if isinstance(a, str)} for p in ports}
    with warnings.catch_warnings(), torch.no_grad(), symbolic_ravel(opset):
        warnings.simplefilter("ignore")  # each shape that is read gives one
        torch.onnx.export(
            torch_module(function, layers),
            samples(inputs, limits),
            path,
            input_names=[port.name for port in inputs],
            output_names=[port.name for port in outputs],
            dynamic_axes={name: axes for name, axes in dynamic.items() if axes},
            opset_version=opset,
            dynamo=False,
        )


@contextlib.contextmanager
def symbolic_ravel(opset: int) -> Iterator[None]:
    """Tell torch's tracer what `ravel` is in ONNX, which it does not know; `keras.ops.take` uses it."""

    def ravel(graph: Any, x: Any) -> Any:
        """Reshape to one axis."""
        return graph.op("Reshape", x, graph.op("Constant", value_t=torch.tensor([-1])))

    torch.onnx.register_custom_op_symbolic("aten::ravel", ravel, opset)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic("aten::ravel", opset)


def write_torch(function: Any, layers: Any, inputs: Any, outputs: Any, path: str, limits: Any) -> None:
    """Write a program of `torch.export`, whose outputs are a tuple."""
    names = {axis for port in inputs for axis in port.axes if isinstance(axis, str)}
    sizes = {name: torch.export.Dim(name, max=limits.get(name)) for name in names}
    shapes = [{i: sizes[a] for i, a in enumerate(port.axes) if isinstance(a, str)} for port in inputs]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # What torch cannot prove of all sizes it checks when the program runs, where it can (since PyTorch 2.9).
        late = {"prefer_deferred_runtime_asserts_over_guards": True}
        known = inspect.signature(torch.export.export).parameters
        late = {name: value for name, value in late.items() if name in known}
        module, dynamic = torch_module(function, layers), {"tensors": tuple(shapes)}
        try:
            program = torch.export.export(module, samples(inputs, limits), dynamic_shapes=dynamic, **late)
        except torch._dynamo.exc.UserError as error:  # a cut into blocks holds for the length of the sample alone
            said = str(error).strip().splitlines()[0]
            raise ValueError(f"torch.export makes no program of this network for any length: {said}") from None
        torch.export.save(program, path)


def torch_module(function: Callable[..., Sequence[Tensor]], layers: list[Any]) -> Any:
    """Make a module of torch that calls a function and has the weights of these layers."""

    class Graph(torch.nn.Module):
        """The function as a module."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.ModuleList(layers)

        def forward(self, *tensors: Any) -> Any:
            """Call the function."""
            return tuple(function(*tensors))

    return Graph().eval()


def samples(inputs: Iterable[GraphTensor], limits: Mapping[str, int]) -> tuple[Any, ...]:
    """Make inputs with which torch traces, of different sizes for different axes."""
    names = list(dict.fromkeys(axis for port in inputs for axis in port.axes if isinstance(axis, str)))
    sizes = {name: min(SAMPLE_SIZE + i, limits.get(name, SAMPLE_SIZE + i)) for i, name in enumerate(names)}
    sizes.update((name, sum(sizes[part] for part in name.split(" + "))) for name in names if " + " in name)
    return tuple(
        torch.ones([sizes.get(axis, axis) for axis in port.axes], dtype=getattr(torch, port.dtype)) for port in inputs
    )


# ---------------------------------------------------------------------------------------------- TensorFlow


def write_saved_model(function: Any, layers: Any, inputs: Any, outputs: Any, path: str, limits: Any) -> None:
    """Write a SavedModel whose signature `serving_default` has these inputs and outputs by name."""
    archive = keras.export.ExportArchive()
    for layer in layers:
        archive.track(layer)
    names = [port.name for port in outputs]

    def serve(*tensors: Any) -> dict[str, Any]:
        """Call the function, and name its outputs."""
        return dict(zip(names, function(*tensors)))

    specs = [
        tf.TensorSpec([None if isinstance(a, str) else a for a in port.axes], port.dtype, name=port.name)
        for port in inputs
    ]
    archive.add_endpoint("serve", serve, input_signature=specs)
    archive.write_out(path, verbose=False)


def write_litert(function: Any, layers: Any, inputs: Any, outputs: Any, path: str, limits: Any) -> None:
    """Write a file of LiteRT, from a SavedModel; only built-in operations are in it."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path) or ".") as folder:
        write_saved_model(function, layers, inputs, outputs, os.path.join(folder, "model"), limits)
        converter = tf.lite.TFLiteConverter.from_saved_model(os.path.join(folder, "model"))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    with open(path, "wb") as file:
        file.write(content)


WRITERS = {
    ("torch", "onnx"): write_onnx,
    ("torch", "torch"): write_torch,
    ("tensorflow", "saved_model"): write_saved_model,
    ("tensorflow", "litert"): write_litert,
}
