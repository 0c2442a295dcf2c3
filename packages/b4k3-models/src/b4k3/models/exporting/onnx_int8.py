"""An ONNX file with int8 matrices, of one in float32.

Each product of activations with a matrix becomes a product of integers. Without texts the scale of the activations is
found in each call. With texts it is fixed, and what is hard to round is moved into the matrix first (SmoothQuant):

    x · w = (x / s) · (s · w)      s_j = max|x_j|^½ / max|w_j|^½ for each input j

A few inputs of a transformer are a hundred times larger than the others. Without s they alone would use up the 256
steps. The mean error that is left is taken out of the bias.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Mapping, NamedTuple

import numpy as np

from ..errors import ConfigError
from .formats import missing_packages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Feed = Mapping[str, NDArray[Any]]

TOKENS = 1024  # of the texts, whose activations are kept
SMALLEST = 1e-5


class Rounded(NamedTuple):
    """A product that is rounded.

    Attributes:
        smooth: float32, [inputs]. What divides the activations, and has multiplied the matrix.
        step: float. The step of the activations.
        zero: int. The integer that stands for 0.
        integers: int8, [inputs, outputs]. The matrix.
        scales: float32, [outputs]. The steps of the matrix.
        bias: float32, [outputs]. The mean of what rounding takes away.

    Example:
        >>> from b4k3.models.exporting.onnx_int8 import rounded
        >>> found = rounded(np.array([[0.5, 2.0], [-1.0, 1.0]], "float32"), np.array([[1.0], [-0.5]], "float32"))
        >>> found.integers.dtype, found.scales.shape, found.bias.shape
        (dtype('int8'), (1,), (1,))
    """

    smooth: Any
    step: float
    zero: int
    integers: Any
    scales: Any
    bias: Any


def quantise_onnx(source: str | os.PathLike[str], target: str | os.PathLike[str], batches: Iterable[Feed] = ()) -> None:
    """Write an ONNX file whose matrices are int8, one step for each output.

    Attention, normalisation and the tables of embeddings stay float. onnxruntime computes the products in integers.

    Arguments:
        source: path. A file that `export` wrote with format='onnx'.
        target: path. The file to write.
        batches: iterable of dicts from the name of an input to an int64 array, [batch, n]. Typical texts, some
            hundreds, by which the scales of the activations are fixed. Without them they are found in each call.

    Raises:
        ConfigError: onnx or onnxruntime is not installed, or no product is found.

    Example:
        >>> from b4k3.models.exporting import quantise_onnx
        >>> quantise_onnx("model.onnx", "model_int8.onnx")  # doctest: +SKIP

    Reference: Xiao et al., SmoothQuant, https://arxiv.org/abs/2211.10438
    """
    missing = missing_packages(["onnx", "onnxruntime"])
    if missing:
        raise ConfigError(f"int8 needs {' and '.join(missing)}, not installed here: pip install onnx onnxruntime")
    feeds = list(batches)
    if feeds:
        write_static(os.fspath(source), os.fspath(target), feeds)
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        os.fspath(source),
        os.fspath(target),
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def write_static(source: str, target: str, feeds: list[Feed]) -> None:
    """Write a file with fixed scales.

    Arguments:
        source: str. A file in float32.
        target: str. The file to write.
        feeds: list of dicts from the name of an input to an int64 array, [batch, n].

    Raises:
        ConfigError: the file has no product with a matrix.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(source)
    graph = model.graph
    weights = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    found = products(graph, weights)
    samples = sampled(model, list(found), feeds)
    added: dict[str, list[Any]] = {}  # output of a product -> the nodes that come before it
    for name, nodes in found.items():
        if name in samples:
            matrix = np.concatenate([weights[node.input[1]] for node in nodes], axis=1)
            added[nodes[0].output[0]] = replace(graph, name, nodes, rounded(samples[name], matrix), weights)
    if not added:
        raise ConfigError(f"{source} has no product with a matrix")
    nodes = [x for node in graph.node for x in (*added.get(node.output[0] if node.output else "", ()), node)]
    read = {name for node in nodes for name in node.input}
    kept = [x for x in graph.initializer if x.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.save(model, target)


def products(graph: Any, weights: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Find the products with a matrix to which a bias is added.

    Arguments:
        graph: onnx.GraphProto.
        weights: dict from the name of a constant to its array.

    Returns:
        dict from the name of what is multiplied to its list of nodes.
    """
    found: dict[str, list[Any]] = {}
    for node in graph.node:
        if node.op_type == "MatMul" and np.ndim(weights.get(node.input[1])) == 2:
            if bias_of(graph, node, weights) is not None:
                found.setdefault(node.input[0], []).append(node)
    return found


def bias_of(graph: Any, product: Any, weights: Mapping[str, Any]) -> tuple[Any, int] | None:
    """Find the node that adds a bias to a product.

    Arguments:
        graph: onnx.GraphProto.
        product: onnx.NodeProto. A matrix product.
        weights: dict from the name of a constant to its array.

    Returns:
        (the node, the number of its input that is the bias), or None.
    """
    after = [node for node in graph.node if product.output[0] in node.input]
    if len(after) != 1 or after[0].op_type != "Add":
        return None
    numbers = [i for i, name in enumerate(after[0].input) if np.ndim(weights.get(name)) == 1]
    return (after[0], numbers[0]) if numbers else None


def sampled(model: Any, names: list[str], feeds: list[Feed]) -> dict[str, Any]:
    """Run the float model, and keep the activations of some tokens that are no padding.

    Arguments:
        model: onnx.ModelProto. The float model.
        names: list of str. The names of the activations.
        feeds: list of dicts from the name of an input to an int64 array, [batch, n].

    Returns:
        dict from a name to float32, [tokens, inputs].
    """
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = [x.name for x in session.get_inputs()]
    random, parts = np.random.RandomState(0), {name: [] for name in names}  # type: dict[str, list[Any]]
    for feed in feeds:
        mask = np.asarray(feed.get("attention_mask", np.ones_like(next(iter(feed.values())))))
        real = np.flatnonzero(mask.reshape(-1))
        picked = random.permutation(real)[: -(-TOKENS // len(feeds))]
        for name, value in zip(names, session.run(names, {key: feed[key] for key in inputs})):
            if value.shape[:-1] == mask.shape:
                parts[name].append(value.reshape(-1, value.shape[-1])[picked])
    return {name: np.concatenate(values) for name, values in parts.items() if values}


def rounded(x: Any, matrix: Any) -> Rounded:
    """Choose the integers of a product.

    Arguments:
        x: float32, [tokens, inputs]. Activations.
        matrix: float32, [inputs, outputs].

    Returns:
        `Rounded`.
    """
    most = np.maximum(np.abs(x).max(0), SMALLEST), np.maximum(np.abs(matrix).max(1), SMALLEST)
    smooth = np.sqrt(most[0] / most[1])
    smooth = (smooth / np.exp(np.log(smooth).mean())).astype("float32")
    smoothed = matrix * smooth[:, None]
    scales = np.maximum(np.abs(smoothed).max(0), SMALLEST**2) / 127
    integers = np.rint(smoothed / scales)
    x_smooth = x / smooth
    least, greatest = min(float(x_smooth.min()), 0.0), max(float(x_smooth.max()), 0.0)
    step = max(greatest - least, SMALLEST) / 255
    zero = int(np.rint(-least / step))
    again = (np.clip(np.rint(x_smooth / step) + zero, 0, 255) - zero) * step
    lost = (x @ matrix - again.astype("float32") @ (integers * scales).astype("float32")).mean(0)
    return Rounded(smooth, step, zero, integers.astype("int8"), scales.astype("float32"), lost.astype("float32"))


def replace(graph: Any, name: str, nodes: list[Any], found: Rounded, weights: Mapping[str, Any]) -> list[Any]:
    """Let the products of one input read integers.

    Arguments:
        graph: onnx.GraphProto. It is changed.
        name: str. The name of the input.
        nodes: list of onnx.NodeProto. The products.
        found: `Rounded`. Their integers.
        weights: dict from the name of a constant to its array.

    Returns:
        list of onnx.NodeProto. What makes the rounded activations and matrices; it comes before the products.
    """
    from onnx import helper, numpy_helper

    def constant(end: str, value: Any) -> str:
        """Add a constant to the graph, and return its name."""
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name + end))
        return name + end

    quantised, floats = name + "_int8", name + "_rounded"
    step, zero = constant("_step", np.float32(found.step)), constant("_zero", np.uint8(found.zero))
    made = [
        helper.make_node("Mul", [name, constant("_smooth", 1 / found.smooth)], [name + "_smoothed"]),
        helper.make_node("QuantizeLinear", [name + "_smoothed", step, zero], [quantised]),
        helper.make_node("DequantizeLinear", [quantised, step, zero], [floats]),
    ]
    start = 0
    for i, node in enumerate(nodes):
        columns = slice(start, start + weights[node.input[1]].shape[1])
        start = columns.stop
        adding, number = bias_of(graph, node, weights)  # type: ignore[misc]
        adding.input[number] = constant(f"_bias_{i}", weights[adding.input[number]] + found.bias[columns])
        scales = constant(f"_scales_{i}", found.scales[columns])
        inputs = [constant(f"_matrix_{i}", np.ascontiguousarray(found.integers[:, columns])), scales]
        inputs.append(constant(f"_zeros_{i}", np.zeros(columns.stop - columns.start, "int8")))
        made.append(helper.make_node("DequantizeLinear", inputs, [f"{floats}_matrix_{i}"], axis=1))
        node.input[0], node.input[1] = floats, f"{floats}_matrix_{i}"
    return made
