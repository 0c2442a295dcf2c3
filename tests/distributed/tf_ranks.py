"""Train, evaluate, predict, save and generate under the strategies of TensorFlow, and compare with one device.

    python tests/distributed/tf_ranks.py                              every strategy and optimizer, a table
    python tests/distributed/tf_ranks.py --strategies mirrored --optimizers keras_adam

Each strategy runs in processes of its own: `mirrored` on two virtual CPUs, `workers` in two processes that find each
other by TF_CONFIG. 16 rows, all different, make two batches of 8; predict has 13 rows. Dropout is 0 and nothing is
shuffled.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1])]

from support.ranks import run_ranks  # noqa: E402

GOLDEN = HERE.parents[1] / "golden"
STRATEGIES = ("mirrored", "workers")
OPTIMIZERS = (
    "keras_sgd",
    "keras_adam",
    "ours_adam",
    "ours_extended",
    "ours_accumulated",
    "ours_adafactor",
    "ours_lion",
)
EPOCHS, ROWS, BATCH = 2, 16, 8


# ------------------------------------------------------------------------------------------------- one process


def optimizer_of(name):
    from b4k3 import optimizers
    from b4k3.backend import keras

    if name == "ours_extended":
        adamw = optimizers.extend_with_weight_decay(optimizers.Adam)
        adamw = optimizers.extend_with_exponential_moving_average(optimizers.extend_with_layer_adaptation(adamw))
        adamw = optimizers.extend_with_piecewise_linear_lr(adamw)
        return adamw(1e-3, lr_schedule={2: 1, 4: 0.1}, exclude_from_weight_decay=["bias"])
    if name == "ours_accumulated":
        return optimizers.extend_with_gradient_accumulation(optimizers.Adam)(1e-3, grad_accum_steps=2)
    make = {
        "keras_sgd": lambda: keras.optimizers.SGD(0.01),
        "keras_adam": lambda: keras.optimizers.Adam(1e-3, epsilon=1e-3),
        "ours_adam": lambda: optimizers.Adam(1e-3, epsilon=1e-3),
        "ours_adafactor": lambda: optimizers.AdaFactor(1e-3),
        "ours_lion": lambda: optimizers.Lion(1e-4),
    }
    return make[name]()


def built(name):
    """A classifier on a BERT with weights from a checkpoint of Google's code, compiled."""
    from b4k3.backend import keras
    from b4k3.layers import FirstToken
    from b4k3.models import build_transformer_model

    folder = GOLDEN / "google_bert"
    bert = build_transformer_model(
        str(folder / "bert_config.json"),
        str(folder / "bert_model.ckpt"),
        model="bert",
        num_hidden_layers=1,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
    )
    start = keras.initializers.RandomNormal(stddev=0.1, seed=3)
    x = keras.layers.Dense(3, activation="softmax", kernel_initializer=start)(FirstToken()(bert.output))
    model = keras.models.Model(bert.inputs, x)
    model.compile(optimizer=optimizer_of(name), loss="sparse_categorical_crossentropy")
    return model


def data():
    rng = np.random.RandomState(0)
    ids = rng.randint(5, 120, (ROWS, 12))
    ids[::3, 8:] = 0
    return [ids, np.zeros_like(ids)], rng.randint(0, 3, (ROWS,))


def language_model():
    from b4k3.models import build_transformer_model

    folder = GOLDEN / "gpt2_ml"
    return build_transformer_model(
        str(folder / "config.json"),
        str(folder / "model.ckpt-100000"),
        model="gpt2_ml",
        return_keras_model=False,
    )


def strategy_of(name):
    import tensorflow as tf

    if name == "mirrored":
        config = tf.config
        (cpu,) = config.list_physical_devices("CPU")
        config.set_logical_device_configuration(cpu, [config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    if name == "workers":
        multi = getattr(tf.distribute, "MultiWorkerMirroredStrategy", None)
        return (multi or tf.distribute.experimental.MultiWorkerMirroredStrategy)()
    return None


def in_scope(strategy):
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def predicted(model, x):
    """The answers for 13 rows, which two devices do not divide."""
    return model.predict([part[:13] for part in x], batch_size=BATCH, verbose=0)


def train(strategy, optimizer, folder):
    """Do everything with one strategy; return the arrays to compare, and the error of what was refused."""
    x, y = data()
    with in_scope(strategy):
        model = built(optimizer)
    found = {}

    def attempt(name, action):
        try:
            found[name] = action()
        except Exception as error:
            found[f"{name} error"] = f"{type(error).__name__}: {error}"

    attempt("before", lambda: predicted(model, x))
    attempt(
        "losses", lambda: model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0).history["loss"]
    )
    attempt("evaluated", lambda: model.evaluate(x, y, batch_size=BATCH, verbose=0))
    attempt("after", lambda: predicted(model, x))
    attempt("weights", lambda: np.concatenate([w.ravel() for w in model.get_weights()]))
    attempt("saved", lambda: model.save_weights(os.path.join(folder, "model.weights.h5")) or 0)
    return found


def generated(strategy):
    with in_scope(strategy):
        model = language_model()
    return model.generate([[7, 8, 9, 10], [11, 12]], max_new_tokens=5)


def child(arguments):
    """One process: one strategy, all optimizers."""
    strategy = strategy_of(arguments.child)
    found = {}
    for optimizer in arguments.optimizers:
        results = train(strategy, optimizer, tempfile.mkdtemp(dir=arguments.folder))
        found.update({f"{optimizer}:{key}": np.array(value) for key, value in results.items()})
    if not arguments.without_generate:
        found["generated"] = generated(strategy)
    return found


# ------------------------------------------------------------------------------------------------- all processes


def run(strategy, folder, arguments):
    """Run a strategy in its processes; return the arrays of each."""
    command = [str(HERE), "--child", strategy, "--folder", folder, "--optimizers", *arguments.optimizers]
    command += ["--without-generate"] * arguments.without_generate
    return run_ranks([command] * (2 if strategy == "workers" else 1), folder, arguments.timeout)


def differences(found, wanted):
    """{key: the greatest difference, or the error}"""
    answers = {key: str(value) for key, value in found.items() if key.endswith("error")}
    for key in found:
        if key in wanted and key not in answers:
            answers[key] = float(np.abs(np.asarray(found[key], "float64") - wanted[key]).max())
    return answers


def compare(arguments):
    """{(strategy, process): differences from one device}"""
    with tempfile.TemporaryDirectory() as folder:
        (wanted,) = run("one", folder, arguments)
        return {
            (strategy, index): differences(found, wanted)
            for strategy in arguments.strategies
            for index, found in enumerate(run(strategy, folder, arguments))
        }


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    parser.add_argument("--optimizers", nargs="+", default=OPTIMIZERS, choices=OPTIMIZERS)
    parser.add_argument("--without-generate", action="store_true")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the processes of one strategy")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asked = parse()
    if asked.child:
        np.savez(os.environ["RANKS_OUTPUT"], **child(asked))
    else:
        for (strategy, index), answers in compare(asked).items():
            for key, value in answers.items():
                print(f"{strategy:9} {index}  {key:28} {value if isinstance(value, str) else format(value, '.1e')}")
