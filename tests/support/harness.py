"""What tests share: numbers out of a tensor of any row."""

from __future__ import annotations

import contextlib
import unittest.mock

import numpy as np


def evaluate(x):
    """The numpy value of a tensor, a variable, or a tuple, list or dict of them, on every row; bfloat16 as float32."""
    if isinstance(x, dict):
        return {key: evaluate(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(evaluate(value) for value in x) if not hasattr(x, "_fields") else tuple(map(evaluate, x))
    from b4k3.backend import ops

    x = np.asarray(ops.convert_to_numpy(x))
    return x.astype("float32") if x.dtype.name == "bfloat16" else x


def as_list(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def unwrapped(xs):
    """What a model with these inputs or outputs takes or gives: a list, or the only one."""
    return xs if len(xs) > 1 else xs[0]


def whole_model_suffix():
    """Of the files of whole models: where Keras has its own format, its HDF5 does not load functions back."""
    from b4k3.backend import keras

    return ".keras" if hasattr(getattr(keras, "saving", None), "load_model") else ".h5"


def fresh_session():
    """Forget every model: a graph of TensorFlow 1 only grows. To optimise one takes longer than what tests compute.

    Keras 3 has no such graph, but would look for garbage each time, in all that JAX and torch keep of earlier tests: a
    third of a second after 200 tests. Python looks for it often enough.
    """
    from b4k3.backend import keras, row

    if row.is_keras3:
        keras.backend.clear_session(free_memory=False)
    else:
        keras.backend.clear_session()
    if row.backend == "tensorflow":
        import tensorflow as tf

        if tf.executing_eagerly():
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        else:
            config = tf.compat.v1.ConfigProto()
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            tf.compat.v1.keras.backend.set_session(tf.compat.v1.Session(config=config))


def runs_eagerly():
    """Whether a model can be called on arrays at once, which on TensorFlow is far cheaper than to trace `predict`."""
    from b4k3.backend import row

    if row.backend != "tensorflow" or row.kind == "keras2":
        return False
    import tensorflow as tf

    return tf.executing_eagerly()


def compiles_slowly():
    """Whether this is JAX 0.4, whose cache of compiled functions gives wrong ones: each model would be compiled anew
    for each shape, which takes longer than its tests. `keras3-jax` runs the same compiled."""
    from b4k3.backend import row

    if row.backend != "jax":
        return False
    import jax

    return jax.__version_info__ < (0, 5)


def answer(model, inputs):
    """The outputs of a model for a list of arrays, as a list of arrays. `reloading.py` calls `predict` itself."""
    if runs_eagerly() or compiles_slowly():
        return evaluate(as_list(model(unwrapped(inputs), training=False)))
    return as_list(model.predict_on_batch(unwrapped(inputs)))


@contextlib.contextmanager
def dtype_policy(name):
    """Layers made within have this policy. Gives whether the row has any: keras 2.3 and tf.keras 1.15 have not."""
    from b4k3.backend import keras, row

    module = getattr(keras, "mixed_precision", None) if row.kind != "keras2" else None
    setter = getattr(module, "set_global_policy", None)
    if setter is None and runs_eagerly():
        setter = module.experimental.set_policy
    if setter:
        setter(name)
    try:
        yield setter is not None
    finally:
        if setter:
            setter("float32")


def train(model, inputs, targets):
    """The loss of one step of training, which a metric of Keras 3.5 would average with those before."""
    model.reset_metrics()
    return float(np.asarray(model.train_on_batch(inputs, targets), dtype="float64").reshape(-1)[0])


def call_with_unknown_sizes(function, *arrays):
    """`evaluate(function(*tensors))` where, on the Keras 2 rows, the tensors are symbolic and no size is known."""
    from b4k3.backend import keras, ops, row

    if row.is_keras3:
        return evaluate(function(*[ops.convert_to_tensor(a) for a in arrays]))
    import tensorflow.compat.v2 as tf

    if tf.executing_eagerly():
        signature = [tf.TensorSpec([None] * a.ndim, a.dtype) for a in arrays]
        return evaluate(tf.function(function, input_signature=signature)(*arrays))
    inputs = [tf.compat.v1.placeholder(a.dtype, [None] * a.ndim) for a in arrays]
    outputs = tf.nest.map_structure(tf.identity, function(*inputs))
    session = keras.backend.get_session() if hasattr(keras.backend, "get_session") else _session()
    return session.run(outputs, dict(zip(inputs, arrays)))


def compiled_call(function, *arrays):
    """`evaluate(function(*tensors))` in a compiled graph, where nobody sees a value.

    numpy compiles nothing, and torch traces no function of trainable weights: there it is only acted out.
    """
    from b4k3.backend import ops, row

    if row.backend == "jax":
        import jax

        return evaluate(jax.jit(function)(*arrays))
    if row.backend == "torch" and not hasattr(function, "__self__"):
        import torch

        tensors = [ops.convert_to_tensor(a) for a in arrays]
        return evaluate(torch.jit.trace(function, tensors, check_trace=False)(*tensors))
    if row.backend in ("torch", "numpy"):
        with unittest.mock.patch("b4k3.backend.tables.checks.concrete", lambda x: None):
            return evaluate(function(*arrays))
    if row.is_keras3:
        import tensorflow as tf

        return evaluate(tf.function(function, autograph=False)(*[tf.constant(a) for a in arrays]))
    return call_with_unknown_sizes(function, *arrays)


def sees_values():
    """Whether a layer that is called on arrays sees their values: not in TensorFlow's graphs."""
    from b4k3.backend import row

    return runs_eagerly() or row.backend != "tensorflow"


def _session():
    import tensorflow as tf

    return tf.compat.v1.keras.backend.get_session()


def gradient(function, x):
    """The numpy gradient of `sum(function(x))` at the float array x. Not on the numpy backend, which has none."""
    from b4k3.backend import keras, ops, row

    if row.backend == "jax":
        import jax

        return evaluate(jax.grad(lambda x: ops.sum(function(x)))(ops.convert_to_tensor(x)))
    if row.backend == "torch":
        import torch

        leaf = torch.tensor(x, requires_grad=True)
        return evaluate(torch.autograd.grad(ops.sum(function(leaf)), leaf)[0])
    import tensorflow as tf

    if not tf.executing_eagerly():
        leaf = tf.constant(x)
        return evaluate(keras.backend.gradients(ops.sum(function(leaf)), [leaf])[0])
    with tf.GradientTape() as tape:
        leaf = tf.constant(x)
        tape.watch(leaf)
        total = ops.sum(function(leaf))
    return evaluate(tape.gradient(total, leaf))
