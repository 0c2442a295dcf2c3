"""One model on several devices of JAX: it loads, trains, predicts, generates and saves what one device does.

    python tests/distributed/jax_devices.py                       # all set-ups
    python tests/distributed/jax_devices.py data-devices model-processes

A set-up is data parallel ("data"), model parallel ("model") or both ("both"), on four virtual devices of one process
("devices") or in two processes with a device each ("processes"; two devices each if rows are shared). Every set-up runs
in processes of its own. The parent process has one device and compares. Two processes also do what must be refused,
after which no weight may be missing.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

CONFIG = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position": 32,
    "segment_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
BUILD = {"application": "lm"}
SETUPS = ("data-devices", "model-devices", "both-devices", "data-processes", "model-processes", "both-processes")
FORMATS = ("model.ckpt", "model.weights.h5", "model.keras")
TOLERANCE = 1e-5
PLAN_TOLERANCE = 0.05
QUICKLY_COMPILED = "--xla_backend_optimization_level=0"
LIMIT = 3000  # seconds for a set-up, which takes one minute on an idle machine
ROWS, LENGTH, BATCH, EVEN = 13, 6, 8, 18  # batches of EVEN rows: 8, 8 and 2, a process's own rows: 4, 4 and 1


def data(rows: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows of ids, which all differ, their segments, and the tokens that follow."""
    ids = np.random.RandomState(0).randint(1, CONFIG["vocab_size"], (EVEN, LENGTH + 1))[:rows]
    return [ids[:, :-1], np.zeros((rows, LENGTH), dtype="int32")], ids[:, 1:]


def make_checkpoint(path: str) -> None:
    """Write random weights that are large enough for differences to show."""
    from b4k3.models import build_transformer_model
    from b4k3.models.checkpoints import save_checkpoint

    random = np.random.RandomState(1)
    variables = build_transformer_model(CONFIG, return_keras_model=False, **BUILD).checkpoint_variables()
    for name, value in variables.items():
        noise = (0.3 * random.randn(*value.shape)).astype("float32")
        variables[name] = noise + ("gamma" in name)
    save_checkpoint(path, variables)


def steps(folder: pathlib.Path, own_rows: bool, alone: bool) -> dict[str, np.ndarray]:
    """Do everything with a new model, and save it in three formats.

    `own_rows` gives each process its half of every even batch. `alone` says that there is one process, in which Keras'
    own `predict` works too.
    """
    import keras

    from b4k3.backend import process_index
    from b4k3.models import Predictor, build_transformer_model, distribution

    transformer = build_transformer_model(CONFIG, str(folder / "start.ckpt"), return_keras_model=False, **BUILD)
    model = transformer.model
    x, y = data(ROWS)
    found = {"predictor": Predictor(model)(x)}
    found["tokens"] = transformer.generate(x[0][:3], max_new_tokens=4)
    # With a usual epsilon, Adam makes steps of full length of gradients that are rounding errors alone, as of biases of
    # keys.
    model.compile(keras.optimizers.AdamW(1e-3, epsilon=1e-3), "sparse_categorical_crossentropy")
    even, targets = data(EVEN)
    size = BATCH
    if own_rows:  # the first process's are the rows 0-3, 8-11 and 16
        batches = [np.arange(EVEN)[start : start + BATCH] for start in range(0, EVEN, BATCH)]
        mine = np.concatenate([rows.reshape(2, -1)[process_index()] for rows in batches])
        even, targets, size = [part[mine] for part in even], targets[mine], BATCH // 2
    found["even losses"] = losses(model, even, targets, size)
    if own_rows:
        keras.distribution.distribution().whole_batches = True
    found["losses"] = losses(model, x, y, BATCH)
    if alone:
        found["predict"] = model.predict(x, batch_size=BATCH, verbose=0)
        found["evaluate"] = np.array(model.evaluate(x, y, batch_size=BATCH, verbose=0))
    found["lost"] = lost(model)
    transformer.save_weights_as_checkpoint(str(folder / FORMATS[0]))
    for name in FORMATS[1:]:
        distribution.save(model, folder / name)
    found["trained"] = Predictor(model)(x)
    found["bytes"], found["slots"] = device_bytes(model.weights), device_bytes(model.optimizer.variables)
    if not alone:
        found["not refused"] = np.array(not_refused(model, x, y), dtype=str)
        found["lost"] = np.concatenate([found["lost"], lost(model)])
    return found


def lost(model) -> np.ndarray:
    """The paths of the variables that have no value."""
    held = list(model.variables) + list(model.optimizer.variables)
    return np.array([variable.path for variable in held if getattr(variable, "_value", 0) is None], dtype=str)


def not_refused(model, x, y) -> list[str]:
    """Do what processes must not do. Returns what no error came of that says what is wrong, or left no values."""
    import keras

    from b4k3.backend import process_index
    from b4k3.models import Predictor

    mine, more = slice(process_index(), process_index() + BATCH), slice(BATCH + process_index())
    other, longer = [part[mine] for part in x], [part[more] for part in x]

    def first_fit():
        """Fit with a new optimizer. The slots of one that was used would be lost."""
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(longer, y[more], verbose=0)

    tried = {
        "other rows in a process": ("gave different rows", lambda: model.fit(other, y[mine], verbose=0)),
        "other rows for two epochs": ("gave different rows", lambda: model.fit(other, y[mine], epochs=2, verbose=0)),
        "other rows for Predictor": ("gave different rows", lambda: Predictor(model)(other)),
        "other rows to predict": ("gave different rows|take Predictor", lambda: model.predict(other, verbose=0)),
        "more rows to evaluate": ("of the shapes", lambda: model.evaluate(longer, y[more], verbose=0)),
        "more rows in a process": ("of the shapes", first_fit),
    }
    wrong = []
    for name, (words, call) in tried.items():
        try:
            with keras.distribution.distribution().scope():
                call()
            wrong.append(name)
        except (RuntimeError, ImportError) as error:
            if not re.search(words, str(error)) or len(lost(model)):
                wrong.append(f"{name}, but {error}, and {lost(model)} have no value")
    try:  # whether Keras can collect the outputs depends on how XLA lays them on the devices
        with keras.distribution.distribution().scope():
            right = difference(model.predict(x, verbose=0), Predictor(model)(x)) <= TOLERANCE
    except ImportError as error:
        right = "take Predictor" in str(error)
    return wrong if right and not len(lost(model)) else [*wrong, "predict of Keras"]


def losses(model, x, y, size: int) -> np.ndarray:
    """The losses of two epochs."""
    history = model.fit(x, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
    return np.array(history.history["loss"])


def device_bytes(variables) -> np.ndarray:
    """The bytes on each device of this process."""
    from b4k3 import backend

    return np.array(sorted(backend.device_bytes(variables).values()))


# ------------------------------------------------------------------------------------------------------ the processes


def work(setup: str, folder: pathlib.Path, index: int, port: int) -> None:
    """Run one process of a set-up, and write what it found."""
    kind, where = setup.split("-")
    import keras

    if where == "processes":
        keras.distribution.initialize(f"localhost:{port}", 2, index)
    from b4k3.models import distribution

    if kind == "data":
        made = distribution.data_parallel()
    else:
        made = distribution.model_parallel(CONFIG, mesh_shape=(2, 2) if kind == "both" else None, **BUILD)
    with made.scope():
        found = steps(folder, own_rows=not made.whole_batches, alone=where == "devices")
    plan = getattr(made, "plan", None) or distribution.plan(CONFIG, parts=1, **BUILD)
    found["planned"] = np.array(plan.bytes_per_device)
    np.savez(str(folder / f"found-{index}.npz"), **found)


def start(setup: str, folder: pathlib.Path) -> None:
    """Run the processes of a set-up to their end."""
    kind, where = setup.split("-")
    count = 1 if where == "devices" else 2
    devices = {("data", 2): 2, ("model", 2): 1, ("both", 2): 2}.get((kind, count), 4)
    flags = f"--xla_force_host_platform_device_count={devices} {QUICKLY_COMPILED}"
    env = dict(os.environ, KERAS_BACKEND="jax", XLA_FLAGS=flags)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--work", setup, "--folder", str(folder), "--port", str(port), "--index"]
    logs = [folder / f"log-{i}.txt" for i in range(count)]
    running = []
    for i, log in enumerate(logs):
        with open(str(log), "wb") as out:
            running.append(subprocess.Popen([*command, str(i)], env=env, stdout=out, stderr=subprocess.STDOUT))
    until = time.time() + LIMIT
    try:
        while time.time() < until and None in [p.poll() for p in running] and not any(p.poll() for p in running):
            time.sleep(0.2)  # a process that failed would leave the other one waiting
    finally:
        for process in running:
            process.kill()
            process.wait()
    for process, log in zip(running, logs):
        if process.returncode:
            raise RuntimeError(f"{setup}: a process ended with {process.returncode}\n{log.read_text()[-4000:]}")


# ------------------------------------------------------------------------------------------------------- comparisons


def saved_weights(folder: pathlib.Path) -> dict[str, list[np.ndarray]]:
    """The weights in the three files, read on one device."""
    import keras

    from b4k3.models import build_transformer_model

    build = dict(BUILD, return_keras_model=False)
    found = {FORMATS[0]: build_transformer_model(CONFIG, str(folder / FORMATS[0]), **build).model.get_weights()}
    model = build_transformer_model(CONFIG, **build).model
    model.load_weights(str(folder / FORMATS[1]))
    found[FORMATS[1]] = model.get_weights()
    whole = keras.saving.load_model(str(folder / FORMATS[2]))
    found[FORMATS[2]] = whole.get_weights() + [np.asarray(v) for v in whole.optimizer.variables]
    return found


def difference(got, wanted) -> float:
    """The largest difference of two arrays, or of two lists of arrays; infinite if they are of other shapes."""
    if isinstance(wanted, list):
        pairs = zip(got, wanted)
        return max(difference(*pair) for pair in pairs) if len(got) == len(wanted) else float("inf")
    if got.shape != wanted.shape:
        return float("inf")
    return float(np.abs(got.astype("float64") - wanted).max())


def compare(setup: str, folder: pathlib.Path, wanted: dict, files: dict) -> list[str]:
    """Compare a set-up with one device. Returns what is wrong, and prints the largest differences."""
    wrong, shown = [], []
    for path in sorted(folder.glob("found-*.npz")):
        with np.load(str(path)) as found:
            for name in ("predictor", "tokens", "even losses", "losses", "predict", "evaluate", "trained"):
                if name in found:
                    shown.append((name, difference(found[name], wanted[name])))
            wrong += [f"{setup}: {variable} has no value" for variable in found["lost"]]
            wrong += [f"{setup}: {name} is not refused" for name in found.get("not refused", ())]
            planned = float(found["planned"])
            if np.abs(found["bytes"] / planned - 1).max() > PLAN_TOLERANCE:
                wrong.append(f"{setup}: {found['bytes']} bytes on the devices, and the plan says {planned}")
    ours = saved_weights(folder)
    shown += [(name, difference(ours[name], files[name])) for name in FORMATS]
    wrong += [f"{setup}: {name} differs by {by:.1e}" for name, by in shown if not by <= TOLERANCE]
    print(f"{setup:16}", ", ".join(f"{name} {by:.1e}" for name, by in shown), flush=True)
    return wrong


def check(setups, folder: pathlib.Path) -> list[str]:
    """Run the set-ups and compare each with one device. Returns what is wrong."""
    one = folder / "one"
    one.mkdir()
    make_checkpoint(str(one / "start.ckpt"))
    wanted = steps(one, own_rows=False, alone=True)
    files, wrong = saved_weights(one), []
    for setup in setups:
        began, place = time.time(), folder / setup
        place.mkdir()
        for path in one.glob("start.ckpt*"):
            (place / path.name).write_bytes(path.read_bytes())
        start(setup, place)
        wrong += compare(setup, place, wanted, files)
        print(f"{setup:16} {time.time() - began:.0f} s", flush=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("setups", nargs="*", help="of " + ", ".join(SETUPS))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, pathlib.Path(args.folder), args.index, args.port)
        return
    os.environ.setdefault("XLA_FLAGS", QUICKLY_COMPILED)
    with tempfile.TemporaryDirectory() as folder:
        wrong = check(args.setups or SETUPS, pathlib.Path(folder))
    sys.exit("\n".join(wrong) if wrong else None)


if __name__ == "__main__":
    main()
