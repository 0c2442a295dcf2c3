"""Peak memory and time of a training step: all weights or LoRA, inner results kept or computed again (RECOMPUTE=1).

    KERAS_BACKEND=torch python tests/benchmarks/recompute.py [--layers 12] [--width 768] [--batch 8] [--length 512]

Each of the four ways trains the same BERT on the same batch in a process of its own, with dropout 0.1 and Adam. The
memory is what model, gradients and optimizer take at most: on a GPU what torch or JAX says that it allocated, on a CPU
the growth of the resident set since a tiny model was trained, read while the steps run. On torch the tensors that are
kept for the gradient are counted too, which is exact; `--steps 0` does that alone. The time is the median of the
steps after the first: on a CPU the processor's time of one thread, which other programs hardly change. `--mixed` trains
in mixed_bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

WAYS = [(recompute, lora) for lora in (False, True) for recompute in ("0", "1")]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak(threading.Thread):
    """The largest resident set while it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.before = self.most = resident()
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.005):
            self.most = max(self.most, resident())

    def grown(self):
        self.over.set()
        return self.most - self.before


def on_gpu():
    """A function that returns the most bytes that were allocated on the GPU, or None without one."""
    if os.environ.get("KERAS_BACKEND") == "torch":
        import torch

        return torch.cuda.max_memory_allocated if torch.cuda.is_available() else None
    import jax

    devices = [device for device in jax.local_devices() if device.platform == "gpu"]
    return (lambda: devices[0].memory_stats()["peak_bytes_in_use"]) if devices else None


def built(options, width, layers):
    """A model with a head, ready to be trained."""
    from b4k3.backend import keras
    from b4k3.models import build_transformer_model

    transformer = build_transformer_model(
        vocab_size=21128,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_act="gelu_tanh",
        max_position=options.length,
        dropout_rate=0.1,
        attention_dropout_rate=0.1,
        return_keras_model=False,
    )
    if options.lora:
        transformer.enable_lora(8, verbose=False)
    x = keras.layers.GlobalAveragePooling1D()(transformer.output)
    model = keras.Model(transformer.inputs, keras.layers.Dense(1, dtype="float32")(x))
    model.compile(keras.optimizers.Adam(1e-5), "mse")
    return model


def measure(options):
    """Train in one way, and print {"kept": bytes, "gb": …, "seconds": …}."""
    import numpy as np

    from b4k3.backend import keras

    if options.mixed:
        keras.config.set_dtype_policy("mixed_bfloat16")
    ids = np.random.RandomState(0).randint(1, 21128, (options.batch, options.length))
    inputs, labels = [ids, ids * 0], np.zeros((options.batch, 1))
    built(options, 64, 1).train_on_batch([x[:1, :8] for x in inputs], labels[:1])  # what is imported and made only once
    gpu, peak, seconds = on_gpu(), Peak(), []
    clock = time.process_time if gpu is None else time.perf_counter
    peak.start()
    model = built(options, options.width, options.layers)
    saved = kept(model, inputs)
    if not options.steps:
        print(json.dumps({"kept": saved}))
        return
    for _ in range(options.steps + 1):
        begin = clock()
        model.train_on_batch(inputs, labels)
        seconds.append(clock() - begin)
    most = peak.grown() if gpu is None else gpu()
    print(json.dumps({"kept": saved, "gb": most / 1e9, "seconds": statistics.median(seconds[1:])}))


def kept(model, inputs):
    """The bytes that torch keeps for the gradient after a forward pass, without the weights; None on other backends."""
    if os.environ.get("KERAS_BACKEND") != "torch":
        return None
    import torch

    weights, found = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def note(x):
        storage = x.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        outputs = model(inputs, training=True)
        del outputs
    return sum(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("layers", 12), ("width", 768), ("batch", 8), ("length", 512), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--lora", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options)
        return
    print(
        "| trained | RECOMPUTE | kept for the gradient, MB | peak memory, GB | seconds for a step |\n|" + 5 * " --- |"
    )
    for recompute, lora in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--one"] + ["--lora"] * lora
        environment = dict(
            os.environ, RECOMPUTE=recompute, TF_CPP_MIN_LOG_LEVEL="3", XLA_PYTHON_CLIENT_PREALLOCATE="false"
        )
        found = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        numbers = json.loads(found.stdout.splitlines()[-1])
        trained = "LoRA, rank 8" if lora else "all weights"
        saved = "-" if numbers["kept"] is None else f"{numbers['kept'] / 1e6:.0f}"
        rest = f"{numbers['gb']:.2f} | {numbers['seconds']:.3f}" if options.steps else "- | -"
        print(f"| {trained} | {recompute} | {saved} | {rest} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "torch")
    main()
