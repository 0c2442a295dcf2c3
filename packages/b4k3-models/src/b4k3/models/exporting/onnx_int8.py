"""An ONNX file with int8 matrices, of one in float32.

Each product of activations with a matrix becomes a product of integers: the matrix has a step for each output, and the
activations of a call have one step, 1/255 of their range. A few inputs of a transformer are up to forty times larger
than the others, and alone would use up the 255 steps. Two ways keep them out, each where it costs less:

    more outputs than inputs      x · w = (x / s) · (s · w)           s_j = max|x_j|^0.7 / max|w_j|^0.3 for each input j
    fewer outputs than inputs     x · w = rest · w + x[O] · w[O]      O: the 8 largest inputs; their product stays float

`rest` is x with zeros at O. The first way is SmoothQuant's, the second one that of LLM.int8. Which inputs are large
depends on the network far more than on the text, so that random ids find them. Square matrices need neither.
"""

from __future__ import annotations

import os
from typing import Any, Mapping

import numpy as np

from ..errors import ConfigError
from .formats import missing_packages

FLOAT_INPUTS = 8  # of a product, that stay float
SMOOTHING = 0.7  # how much of the range of the activations goes into the matrix
SAMPLE = (32, 16)  # texts and tokens of random ids
SMALLEST = 1e-5


def quantise_onnx(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write an ONNX file whose matrices are int8, one step for each output.

    Attention, normalisation and the tables of embeddings stay float. onnxruntime computes the products in integers.

    Arguments:
        source: path. A file that `export` wrote with format='onnx', of a network of whole texts.
        target: path. The file to write.

    Raises:
        ConfigError: onnx or onnxruntime is not installed, the weights are over 2 GB, or no product is found.

    Example:
        >>> from b4k3.models.exporting import quantise_onnx
        >>> quantise_onnx("model.onnx", "model_int8.onnx")  # doctest: +SKIP

    Reference: Xiao et al., SmoothQuant, https://arxiv.org/abs/2211.10438; Dettmers et al., LLM.int8,
        https://arxiv.org/abs/2208.07339
    """
    missing = missing_packages(["onnx", "onnxruntime"])
    if missing:
        raise ConfigError(f"int8 needs {' and '.join(missing)}, not installed here: pip install onnx onnxruntime")
    import onnx
    from onnx import numpy_helper

    model = read_whole(source)
    graph = model.graph
    weights = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    before = list(graph.node)
    found = products(before, weights)
    largest = largest_inputs(model, list(found), weights)
    nodes = {id(node): [node] for node in before}  # what stands in the place of each node
    for name in largest:
        rounding, factor, kept = rounded_input(graph, name, found[name], largest[name], weights)
        nodes[id(found[name][0])][:0] = rounding
        for product in found[name]:
            replace(graph, before, product, name, factor, kept, weights, nodes)
    if not largest:
        raise ConfigError(f"{os.fspath(source)} has no product with a matrix")
    put_nodes(graph, [x for node in before for x in nodes[id(node)]])
    onnx.save(model, os.fspath(target))


def round_matrices(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write an ONNX file whose matrices are int8, and become floats before each product.

    OpenVINO keeps them as integers, and rounds the activations itself: 32 inputs of a token have one step.

    Arguments:
        source: path. A file that `export` wrote with format='onnx'.
        target: path. The file to write.

    Example:
        >>> from b4k3.models.exporting.onnx_int8 import round_matrices
        >>> round_matrices("model.onnx", "rounded.onnx")  # doctest: +SKIP
    """
    import onnx
    from onnx import helper, numpy_helper

    model = read_whole(source)
    graph = model.graph
    weights = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    nodes = list(graph.node)
    made = {}
    for product in [node for listed in products(nodes, weights).values() for node in listed]:
        name = product.input[1]
        if name not in made:
            integers, scales = rounded(weights[name])
            read = [constant(graph, name + "_int8", integers), constant(graph, name + "_scales", scales)]
            read.append(constant(graph, name + "_zeros", np.zeros(len(scales), "int8")))
            made[name] = helper.make_node("DequantizeLinear", read, [name + "_rounded"], axis=1)
        product.input[1] = name + "_rounded"
    put_nodes(graph, [*made.values(), *nodes])
    onnx.save(model, os.fspath(target))


def outside_weights(model: Any) -> list[Any]:
    """Return the weights of a model that lie in other files.

    Arguments:
        model: `onnx.ModelProto`, which was read without them.

    Returns:
        list of `onnx.TensorProto`.
    """
    from onnx import TensorProto

    return [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]


def read_whole(path: str | os.PathLike[str]) -> Any:
    """Read an ONNX file that has all its weights in it.

    Arguments:
        path: path. The file.

    Returns:
        `onnx.ModelProto`.

    Raises:
        ConfigError: weights lie in other files, because all of them are over 2 GB.
    """
    import onnx

    model = onnx.load(os.fspath(path), load_external_data=False)
    if outside_weights(model):
        raise ConfigError(
            f"{os.fspath(path)}: int8: the weights are over 2 GB, which an ONNX file does not hold: leave int8 out"
        )
    return model


def put_nodes(graph: Any, nodes: list[Any]) -> None:
    """Give a graph other nodes, and only the constants that they read.

    Arguments:
        graph: onnx.GraphProto.
        nodes: list of onnx.NodeProto.
    """
    read = {name for node in nodes for name in node.input}
    constants = [x for x in graph.initializer if x.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)


def rounded(matrix: Any) -> tuple[Any, Any]:
    """Round a matrix.

    Arguments:
        matrix: float32, [inputs, outputs].

    Returns:
        (int8, [inputs, outputs], and float32, [outputs], the steps).

    Example:
        >>> from b4k3.models.exporting.onnx_int8 import rounded
        >>> integers, steps = rounded(np.array([[0.5, 2.54], [-1.27, 1.27]], "float32"))
        >>> integers.tolist(), steps.astype("float64").round(2).tolist()
        ([[50, 127], [-127, 64]], [0.01, 0.02])
    """
    scales = (np.maximum(np.abs(matrix).max(0), SMALLEST**2) / 127).astype("float32")
    return np.rint(matrix / scales).astype("int8"), scales


def products(nodes: list[Any], weights: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Find the products with a matrix.

    Arguments:
        nodes: list of onnx.NodeProto.
        weights: dict from the name of a constant to its array.

    Returns:
        dict from the name of what is multiplied to its list of nodes.
    """
    found: dict[str, list[Any]] = {}
    for node in nodes:
        if node.op_type == "MatMul" and np.ndim(weights.get(node.input[1])) == 2:
            found.setdefault(node.input[0], []).append(node)
    return found


def largest_inputs(model: Any, names: list[str], weights: Mapping[str, Any]) -> dict[str, Any]:
    """Run the float model on random ids, and note how large each input of the products becomes.

    Arguments:
        model: onnx.ModelProto. The float model.
        names: list of str. The names of the activations.
        weights: dict from the name of a constant to its array.

    Returns:
        dict from a name to float32, [inputs]. Activations that do not have a row for each token are left out.
    """
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    tables = [weights[x.input[0]] for x in model.graph.node if x.op_type == "Gather" and x.input[0] in weights]
    vocabulary = max((len(table) for table in tables if table.ndim == 2), default=1)
    feed = {port.name: np.ones(SAMPLE, "int64") for port in session.get_inputs() if port.name == "attention_mask"}
    for port in session.get_inputs():
        feed.setdefault(port.name, np.zeros(SAMPLE, "int64"))
    feed["input_ids"] = np.random.RandomState(0).randint(0, vocabulary, SAMPLE)
    values = zip(names, session.run(names, feed))
    return {name: np.abs(x).max((0, 1)) for name, x in values if x.shape[:-1] == SAMPLE}


def rounded_input(
    graph: Any, name: str, nodes: list[Any], largest: Any, weights: Mapping[str, Any]
) -> tuple[list[Any], Any, Any]:
    """Make the nodes that turn an activation into integers.

    Arguments:
        graph: onnx.GraphProto. It gets constants.
        name: str. The name of the activation.
        nodes: list of onnx.NodeProto. The products that read it.
        largest: float32, [inputs]. How large each input becomes.
        weights: dict from the name of a constant to its array.

    Returns:
        (list of onnx.NodeProto, factor, kept): float32, [inputs], by which the matrix is multiplied; and the numbers of
        the inputs that stay float, or None.
    """
    from onnx import helper

    matrix = np.concatenate([weights[node.input[1]] for node in nodes], axis=1)  # [inputs, outputs of all]
    inputs, outputs = matrix.shape
    factor, divided, kept = np.ones(inputs, "float32"), name, None
    made = []
    if outputs != inputs:
        if outputs > inputs:
            of_matrix = np.maximum(np.abs(matrix).max(1), SMALLEST)
            factor = np.maximum(largest, SMALLEST) ** SMOOTHING / of_matrix ** (1 - SMOOTHING)
            factor = (factor / np.exp(np.log(factor).mean())).astype("float32")
            before = 1 / factor
        else:
            kept = np.argsort(-largest, kind="stable")[: min(FLOAT_INPUTS, inputs // 4)]
            factor[kept] = 0
            before = factor
        divided = name + "_divided"
        made.append(helper.make_node("Mul", [name, constant(graph, name + "_factor", before)], [divided]))
        if kept is not None:
            numbers = constant(graph, name + "_numbers", kept.astype("int64"))
            made.append(helper.make_node("Gather", [name, numbers], [name + "_kept"], axis=-1))
    made.append(
        helper.make_node("DynamicQuantizeLinear", [divided], [name + end for end in ("_int8", "_step", "_zero")])
    )
    return made, factor, kept


def replace(
    graph: Any,
    before: list[Any],
    product: Any,
    name: str,
    factor: Any,
    kept: Any,
    weights: Mapping[str, Any],
    nodes: dict[int, list[Any]],
) -> None:
    """Let a product read integers.

    Arguments:
        graph: onnx.GraphProto. It gets constants.
        before: list of onnx.NodeProto. The nodes of the float graph.
        product: onnx.NodeProto. The product.
        name: str. The name of the activation.
        factor: float32, [inputs]. By what the matrix is multiplied.
        kept: int array or None. The numbers of the inputs whose product stays float.
        weights: dict from the name of a constant to its array.
        nodes: dict from the id of a node of the graph to the nodes in its place. It is changed.
    """
    from onnx import TensorProto, helper

    matrix, out = weights[product.input[1]], product.output[0]
    integers, scales = rounded(matrix * factor[:, None])
    readers = [node for node in before if out in node.input]
    is_bias = len(readers) == 1 and readers[0].op_type == "Add"
    is_bias = is_bias and any(np.ndim(weights.get(x)) == 1 for x in readers[0].input)
    last = readers[0] if is_bias else product
    sums = []
    if kept is not None:
        whole = last.output[0]
        last.output[0] = whole + "_of_rest"
        out = product.output[0]
        rows = constant(graph, product.output[0] + "_rows", matrix[kept])
        sums = [
            helper.make_node("MatMul", [name + "_kept", rows], [whole + "_of_kept"]),
            helper.make_node("Add", [last.output[0], whole + "_of_kept"], [whole]),
        ]
    read = [name + "_int8", constant(graph, out + "_matrix", integers), name + "_zero"]
    steps = [name + "_step", constant(graph, out + "_scales", scales)]
    place = nodes[id(product)]
    place[place.index(product) :] = [
        helper.make_node("MatMulInteger", read, [out + "_integers"]),
        helper.make_node("Cast", [out + "_integers"], [out + "_floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", steps, [out + "_steps"]),
        helper.make_node("Mul", [out + "_floats", out + "_steps"], [out]),
    ]
    nodes[id(last)].extend(sums)


def constant(graph: Any, name: str, value: Any) -> str:
    """Add a constant to a graph.

    Arguments:
        graph: onnx.GraphProto.
        name: str. Its name.
        value: array.

    Returns:
        str, the name.
    """
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name
