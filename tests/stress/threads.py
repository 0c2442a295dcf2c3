"""Threads that share a model, with errors in between: every answer against that of one thread.

python tests/stress/threads.py            prints the table, for every backend that is installed
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np

TESTS = str(pathlib.Path(__file__).resolve().parent.parent)
THREADS = 8
TOLERANCE = 1e-6
SMALL = dict(
    vocab_size=20,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    hidden_act="gelu",
    max_position=32,
)


def measure(short):
    """[(what was measured, the figure, whether the promise holds)]; the short form has only the backend of this row."""
    found = []
    for backend in [None] if short else backends():
        environment = dict(os.environ, **({} if backend is None else {"KERAS_BACKEND": backend}))
        command = [sys.executable, "-W", "ignore", str(pathlib.Path(__file__).resolve()), "short" if short else "long"]
        run = subprocess.run(command, env=environment, capture_output=True)
        lines = run.stdout.decode().splitlines()
        if run.returncode or not lines:
            found.append((f"threads on {backend}", run.stderr.decode()[-300:], False))
        else:
            found += [tuple(line) for line in json.loads(lines[-1])]
    return found


def backends():
    """The backends that Keras 3 may have here; [None] where there is another Keras."""
    from b4k3.backend import row

    if not row.is_keras3:
        return [None]
    modules = ["jax", "torch", "tensorflow", "numpy"]
    return [name for name in modules if importlib.util.find_spec(name)]


class Crowd:
    """Threads that begin together. Attributes: difference, the largest of all answers; errors, what was raised."""

    def __init__(self, rounds):
        self.rounds, self.difference, self.errors = rounds, 0.0, []
        self.barrier = threading.Barrier(THREADS)
        self.lock = threading.Lock()

    def run(self, call, questions, answers, fails=None):
        """Each thread asks every question in each round; every third time it does what `fails`."""

        def one(number):
            self.barrier.wait()
            for i in range(self.rounds * len(questions)):
                which = (number + i) % len(questions)
                try:
                    difference = float(np.abs(np.asarray(call(questions[which])) - answers[which]).max())
                    with self.lock:
                        self.difference = max(self.difference, difference)
                    if fails and i % 3 == 0:
                        self.expect(fails)
                except Exception as error:
                    self.errors.append(repr(error)[:200])

        threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(THREADS)]
        begin = time.time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
        if any(thread.is_alive() for thread in threads):
            self.errors.append("a thread hangs")
        self.rate = self.rounds * len(questions) * THREADS / (time.time() - begin)
        return self

    def expect(self, fails):
        """Do what must raise ValueError."""
        try:
            fails()
        except ValueError:
            return
        self.errors.append("no ValueError")

    def line(self, what):
        """A line of the table."""
        holds = not self.errors and self.difference <= TOLERANCE
        figure = self.errors[0] if self.errors else f"difference {self.difference:.1e}, {self.rate:.0f} calls/s"
        return what, figure, holds


def measured_here(rounds):
    """The lines of this process's backend."""
    from b4k3.backend import ops, row
    from b4k3.models import Predictor, build_transformer_model
    from b4k3.snippets import AutoRegressiveDecoder

    name = f"{row.kind} on {row.backend}, {THREADS} threads, "
    transformer = build_transformer_model(SMALL, model="bert", application="lm", return_keras_model=False)
    model = transformer.model
    random = np.random.RandomState(0)
    batches = [random.randint(1, 20, (rows, n)) for rows, n in [(1, 4), (2, 4), (3, 9)]]
    batches = [[ids, np.zeros(ids.shape)] for ids in batches]
    wrong = [np.ones((1, 40)), np.zeros((1, 40))]
    predictor, answers = Predictor(model), [np.asarray(model.predict_on_batch(x)) for x in batches]
    lines = [
        Crowd(rounds)
        .run(predictor, batches, answers, lambda: predictor(wrong))
        .line(name + "errors between: Predictor")
    ]
    last = AutoRegressiveDecoder(None, 0, 3).last_token(model)
    ends = [answer[:, -1] for answer in answers]
    lines.append(
        Crowd(rounds).run(last.predict, batches, ends, lambda: last.predict(wrong)).line(name + "errors: last_token")
    )
    prompts = [ids[:1, :3] for ids, _ in batches]
    tokens = [transformer.generate(ids, 8) for ids in prompts]
    too_long = np.ones((1, 40), dtype=int)
    lines.append(
        Crowd(max(1, rounds // 4))
        .run(lambda ids: transformer.generate(ids, 8), prompts, tokens, lambda: transformer.generate(too_long, 8))
        .line(name + "errors between: generate")
    )
    if row.is_keras3 or (row.kind != "keras2" and not is_graph()):

        def call(x):
            return ops.convert_to_numpy(model([ops.convert_to_tensor(a.astype("float32")) for a in x], training=False))

        eager = [call(x) for x in batches]
        lines.append(Crowd(max(1, rounds // 4)).run(call, batches, eager).line(name + "tied model called directly"))
    return lines


def is_graph():
    """Whether TensorFlow builds graphs, in which a model cannot be called on arrays."""
    import tensorflow as tf

    return not tf.executing_eagerly()


if __name__ == "__main__":
    sys.path.insert(0, TESTS)
    if len(sys.argv) > 1:
        print(json.dumps(measured_here(2 if sys.argv[1] == "short" else 40)))
    else:
        for what, figure, holds in measure(False):
            print(f"{'ok  ' if holds else 'FAIL'} {what}: {figure}")
