"""Optimizers replayed on variables whose gradients are given, as bare variables or as a model."""

from __future__ import annotations

import contextlib
import json
import pathlib

import numpy as np

import b4k3.optimizers
from b4k3.backend import K, Layer, assign_weights, environment, keras, ops

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden" / "optimizers"
TOLERANCE = 1e-5  # of how far the variable has moved so far; a case may have its own
ROUNDING = 1e-6  # of the largest value of the variable


class Problem:
    """Variables with their start values, and their gradients in each step."""

    def __init__(self, specs, arrays):
        self.specs, self.arrays = specs, arrays
        self.start = {spec["name"]: arrays["start|" + spec["name"]] for spec in specs}

    def sparse(self, name, step):
        """(ids [n], rows [n, d]) of a gathered variable."""
        return self.arrays[f"ids|{step}|{name}"].astype("int32"), self.arrays[f"grad|{step}|{name}"]

    def dense(self, spec, step):
        """The gradient with the shape of the variable."""
        if not spec["sparse"]:
            return self.arrays[f"grad|{step}|{spec['name']}"]
        out = np.zeros(spec["shape"], "float32")
        np.add.at(out, *self.sparse(spec["name"], step))
        return out


def load(name):
    """(problem, cases) of a folder of goldens; the expected values are in `problem.arrays`."""
    with open(FOLDER / f"{name}.json", encoding="utf-8") as file:
        content = json.load(file)
    return Problem(content["variables"], dict(np.load(FOLDER / f"{name}.npz"))), content["cases"]


PROBLEM = load("dev-3d")[0]  # the smaller one


def optimizer_of(case, through_config=False):
    """The optimizer of a case, or what Keras makes of its config after a trip through JSON."""
    where, name = case["base"]
    cls = getattr(b4k3.optimizers if where == "module" else keras.optimizers, name)
    for extension, new_name in case["extensions"]:
        cls = getattr(b4k3.optimizers, extension)(cls, name=new_name)
    arguments = dict(case["arguments"])
    if "lr_schedule" in arguments:  # JSON has no integers as keys
        arguments["lr_schedule"] = {int(k): v for k, v in arguments["lr_schedule"]}
    optimizer = cls(**arguments)
    if not through_config:
        return optimizer
    again = keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer), default=float)))
    assert type(again) is cls
    return again


def bare_variables(problem, optimizer):
    """(step, values) of an optimizer on variables without a model; keras 2.3 on TensorFlow 2 has none without one."""
    if environment.is_keras3:
        return keras3_steps(problem, optimizer)
    import tensorflow as tf

    if not tf.executing_eagerly():
        return graph_steps(problem, optimizer)
    return (in_model if environment.keras_flavour == "keras2" else eager_steps)(problem, optimizer)


def keras3_steps(problem, optimizer):
    variables = []
    for name, value in problem.start.items():
        *scopes, last = name.split("/")
        with contextlib.ExitStack() as stack:
            for scope in scopes:
                stack.enter_context(keras.name_scope(scope))
            variables.append(keras.Variable(value, name=last, dtype="float32"))

    def step(i):
        optimizer.apply([ops.convert_to_tensor(problem.dense(spec, i)) for spec in problem.specs], variables)

    return step, lambda: dict(zip(problem.start, map(ops.convert_to_numpy, variables)))


def eager_steps(problem, optimizer):
    import tensorflow as tf

    variables = [tf.Variable(value, name=name) for name, value in problem.start.items()]

    def gradient(spec, i):
        if not spec["sparse"]:
            return tf.constant(problem.dense(spec, i))
        ids, rows = problem.sparse(spec["name"], i)
        return tf.IndexedSlices(tf.constant(rows), tf.constant(ids), tf.constant(spec["shape"]))

    def step(i):
        optimizer.apply_gradients([(gradient(spec, i), v) for spec, v in zip(problem.specs, variables)])

    return step, lambda: {name: v.numpy() for name, v in zip(problem.start, variables)}


def graph_steps(problem, optimizer):
    inputs, variables, losses = [], [], []
    for spec in problem.specs:
        variables.append(K.variable(problem.start[spec["name"]], name=spec["name"]))
        shape = tuple(spec["shape"])
        if spec["sparse"]:
            count = len(problem.sparse(spec["name"], 0)[0])
            inputs += [K.placeholder((count,), dtype="int32"), K.placeholder((count, *shape[1:]))]
            losses.append(K.sum(K.gather(variables[-1], inputs[-2]) * inputs[-1]))
        else:
            inputs.append(K.placeholder(shape))
            losses.append(K.sum(variables[-1] * inputs[-1]))
    loss = sum(losses)
    function = K.function(inputs, [loss], updates=optimizer.get_updates(loss=loss, params=variables))

    def step(i):
        feed = []
        for spec in problem.specs:
            feed += problem.sparse(spec["name"], i) if spec["sparse"] else [problem.dense(spec, i)]
        function(feed)

    return step, lambda: dict(zip(problem.start, K.batch_get_value(variables)))


class Holder(Layer):
    """Some variables. Inputs: the gradient of each; output [1, 1]: the sum of the products with them."""

    def __init__(self, specs, **kwargs):
        super().__init__(**kwargs)
        self.specs = specs

    def build(self, input_shape):
        self.held = [
            self.add_weight(name=spec["name"].rsplit("/", 1)[1], shape=tuple(spec["shape"]), initializer="zeros")
            for spec in self.specs
        ]
        super().build(input_shape)

    def call(self, inputs):
        inputs, total = list(inputs), 0.0
        for spec, weight in zip(self.specs, self.held):
            if spec["sparse"]:
                ids, rows = inputs.pop(0)[0], inputs.pop(0)[0]
                total = total + ops.sum(ops.take(weight, ids, axis=0) * rows)
            else:
                total = total + ops.sum(weight * inputs.pop(0)[0])
        return ops.reshape(total, (1, 1))

    def compute_output_shape(self, input_shape):
        return (1, 1)


def in_model(problem, optimizer):
    """(step, values) of an optimizer in a model that is trained batch by batch."""
    layers = {}
    for spec in problem.specs:
        layers.setdefault(spec["name"].rsplit("/", 1)[0], []).append(spec)
    inputs, outputs, holders = [], [], []
    for name, specs in layers.items():
        own = [keras.layers.Input(batch_shape=(1, 1))]  # so that there are always several
        for spec in specs:
            if spec["sparse"]:
                ids, rows = problem.sparse(spec["name"], 0)
                own += [keras.layers.Input(batch_shape=(1, len(ids)), dtype="int32")]
                own += [keras.layers.Input(batch_shape=(1, *rows.shape))]
            else:
                own.append(keras.layers.Input(batch_shape=(1, *spec["shape"])))
        holders.append(Holder(specs, name=name))
        outputs.append(holders[-1]([*own[1:], own[0]]))
        inputs += own
    model = keras.models.Model(inputs, keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0])
    for holder in holders:
        assign_weights(zip(holder.held, [problem.start[spec["name"]] for spec in holder.specs]))
    model.compile(loss=lambda y, p: ops.sum(p, axis=-1), optimizer=optimizer)

    def step(i):
        batch = []
        for specs in layers.values():
            batch.append(np.zeros((1, 1), "float32"))
            for spec in specs:
                parts = problem.sparse(spec["name"], i) if spec["sparse"] else [problem.dense(spec, i)]
                batch += [part[None] for part in parts]
        model.train_on_batch(batch, np.zeros((1, 1), "float32"))

    return step, lambda: {s["name"]: v for h in holders for s, v in zip(h.specs, K.batch_get_value(h.held))}


def history(problem, optimizer, driver, steps, actions=()):
    """{label: {name: value}}: the label is the step, or 'step:method' after a method of the optimizer was called."""
    step, values = driver(problem, optimizer)
    out = {}
    for i in range(steps):
        step(i)
        out[str(i)] = values()
        for action in actions:
            if action["after"] == i:
                act(optimizer, action["call"], action.get("arguments", {}))
                out[f"{i}:{action['call']}"] = values()
    return out


def act(optimizer, call, arguments):
    if call != "set_learning_rate":
        getattr(optimizer, call)(**arguments)
    elif environment.is_keras3:
        optimizer.learning_rate = arguments["value"]
    else:
        K.set_value(optimizer.learning_rate, arguments["value"])


def misfits(problem, case, got):
    """['name after label: off by ...'] where what was computed is not what the golden says."""
    out, moved = [], dict.fromkeys(problem.start, 0.0)
    for label, values in got.items():
        for name, value in values.items():
            moved[name] = max(moved[name], float(np.abs(value - problem.start[name]).max()))
            expected = problem.arrays.get(f"{case['id']}|{label}|{name}")
            if expected is None:
                continue
            allowed = case.get("tolerance", TOLERANCE) * moved[name] + ROUNDING * np.abs(expected).max() + 1e-12
            difference = float(np.abs(expected - value).max())
            if not difference <= allowed:
                out.append(f"{name} after {label}: off by {difference:.2e}, allowed {allowed:.2e}")
    return out


def problem_of(start, gradients):
    """The problem of start values {path: value} and of a list of gradients {path: gradient}, one for each step."""
    specs = [{"name": path, "shape": list(np.shape(value)), "sparse": False} for path, value in start.items()]
    arrays = {"start|" + path: value for path, value in start.items()}
    for i, batch in enumerate(gradients):
        arrays.update({f"grad|{i}|{path}": np.asarray(gradient, "float32") for path, gradient in batch.items()})
    return Problem(specs, arrays)


def trained(start, optimizer, gradients):
    """The values of the variables after each step, [{path: value}, …], of a model whose gradients are given."""
    return list(history(problem_of(start, gradients), optimizer, in_model, len(gradients)).values())
