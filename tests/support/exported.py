"""Run exported files by the programs that they are for; and onnxruntime's optimizer."""

from __future__ import annotations

import numpy as np

OF_BACKEND = {"torch": ("onnx", "openvino", "torch"), "tensorflow": ("saved_model", "litert")}
SHAPES = ((1, 6), (3, 11), (2, 16))  # of three batches, padded at the end and, where there is room, at the beginning


def runner(format, path):
    """A function from a dict of arrays to a dict of arrays."""
    return RUNNERS[format](path)


def run_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    assert all(port.type == "tensor(int64)" for port in session.get_inputs())
    return lambda feed: dict(zip(names, session.run(names, feed)))


def run_openvino(path):
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda feed: {next(iter(port.names)): value for port, value in compiled(feed).items()}


def run_torch(path):
    import torch

    module = torch.export.load(path).module()
    return lambda feed: [x.detach().numpy() for x in module(*map(torch.tensor, feed.values()))]


def run_saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"]
    return lambda feed, kept=loaded: {  # the signature reads weights that die with the model
        key: value.numpy() for key, value in signature(**{k: tf.constant(v) for k, v in feed.items()}).items()
    }


def run_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path).get_signature_runner()
    return lambda feed: runner(**feed)


RUNNERS = {
    "onnx": run_onnx,
    "openvino": run_openvino,
    "torch": run_torch,
    "saved_model": run_saved_model,
    "litert": run_litert,
}


SEGMENTS = range(2)


def feeds(graph, vocab_size, segments):
    """Three batches for a graph, in the order of its inputs."""
    names = [port.name for port in graph.inputs]
    for batch, n in SHAPES:
        random = np.random.RandomState(n)
        mask = np.ones((batch, n), "int64")
        mask[0, n - 2 :] = 0
        mask[2:, :2] = 0  # of the third row
        values = {
            "input_ids": random.randint(2, vocab_size, (batch, n)),
            "attention_mask": mask,
            "token_type_ids": random.randint(segments.start, segments.stop, (batch, n)),
            "prompt_length": np.full((batch, 1), 2),
        }
        yield {name: values[name] for name in names}


def expected(graph, feed):
    """What the Keras model answers: each row alone, without the tokens that are hidden."""
    from support import goldens

    given = dict(feed)
    mask = given.pop("attention_mask", np.ones_like(feed["input_ids"])).astype(bool)
    padding = graph.masking[0].padding_id if graph.masking else 0
    given["input_ids"] = np.where(mask, given["input_ids"], padding)
    return mask, goldens.predict(graph.model, list(given.values()))


def check(graph, path, format, vocab_size, segments=SEGMENTS, tolerance=1e-4):
    """Compare a file with the Keras model on three batches; the largest relative error is returned."""
    run, largest = runner(format, path), 0.0
    for feed in feeds(graph, vocab_size, segments):
        got = run(feed)
        got = got if isinstance(got, list) else [got[name] for name in graph.names]
        mask, want = expected(graph, feed)
        for a, b, name in zip(got, want, graph.names):
            if format == "litert":  # whose converter writes the lowest number for -inf
                a = np.where(a == np.finfo("float32").min, -np.float32(np.inf), a)
            assert a.shape == b.shape and a.dtype == np.float32, (name, a.shape, b.shape)
            real = mask if a.shape[:2] == mask.shape else np.ones(len(a), bool)
            real = real & (
                mask[:, :1] if real.ndim == 2 else mask[:, 0]
            )  # Keras sees a first token even if it is hidden
            assert np.array_equal(np.isfinite(a[real]), np.isfinite(b[real])), name
            finite = np.isfinite(b[real])
            error = np.abs(a[real] - b[real])[finite].max() / max(1.0, np.abs(b[real][finite]).max())
            largest = max(largest, float(error))
            assert error <= tolerance, (format, name, feed["input_ids"].shape, error)
    return largest


def fused(path, heads, width):
    """What onnxruntime's optimizer makes of a file: {operation: how often}."""
    from onnxruntime.transformers import optimizer

    model = optimizer.optimize_model(path, model_type="bert", num_heads=heads, hidden_size=width)
    counts = {}
    for node in model.model.graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return counts


KERAS_SUFFIXES = {"tf_saved_model": "", "onnx": ".onnx", "openvino": ".xml", "litert": ".tflite", "torch": ".pt2"}


def keras_runner(format, path):
    """A function from the inputs of a Keras model to its output, by a file that Keras' own `export` wrote."""
    if format == "tf_saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(path)
        return lambda xs, kept=loaded: kept.serve(xs if len(xs) > 1 else xs[0]).numpy()  # its variables live with it
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda xs: session.run(None, dict(zip([port.name for port in session.get_inputs()], xs)))[0]
    if format == "openvino":
        import openvino

        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda xs: compiled(xs)[0]
    if format == "torch":
        import torch

        module = torch.export.load(path).module()
        return lambda xs: module([torch.tensor(x) for x in xs]).detach().numpy()
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path).get_signature_runner()
    names = sorted(runner.get_input_details(), reverse=True)  # tokens before segments
    return lambda xs: next(iter(runner(**dict(zip(names, xs))).values()))
