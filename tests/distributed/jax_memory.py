"""How much memory of the host it takes to load a model onto four virtual devices of JAX.

    python tests/distributed/jax_memory.py            # with `distribution.model_parallel`
    python tests/distributed/jax_memory.py --plain    # with a layout map of Keras written by hand

A BERT with random weights is written first, 1 GB unless `--layers` says otherwise. Then it is loaded in a process of
its own, while a thread reads the memory of the process that has no file behind it. Pages of the mapped file are not in
it, because the system takes them back when it needs memory. The first line of the output is the ratio of the
peak, less what the process held before, to the bytes of the weights.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

MB = 1 << 20
# What the weights of BERT are, for the layout map by hand.
BY_HAND = {
    ".*Embedding-Token/embeddings": ("model", None),
    ".*/(query|key|value|intermediate)/kernel": (None, "model"),
    ".*/(query|key|value|intermediate)/bias": ("model",),
    ".*/output/kernel": ("model", None),
}


def config(layers: int) -> dict:
    """A BERT of the width of BERT-large, with a vocabulary that four devices can share."""
    sizes = {"vocab_size": 21128, "hidden_size": 1024, "intermediate_size": 4096, "max_position_embeddings": 512}
    heads = {"num_hidden_layers": layers, "num_attention_heads": 16, "hidden_act": "gelu", "type_vocab_size": 2}
    return dict(sizes, **heads)


def write(path: str, layers: int) -> None:
    """Write a checkpoint with random weights."""
    from b4k3.models import build_transformer_model

    build_transformer_model(config(layers), return_keras_model=False).save_weights_as_checkpoint(path)


def anonymous() -> float:
    """The anonymous memory of this process in MB."""
    text = pathlib.Path("/proc/self/status").read_text()
    return sum(map(int, re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", text))) / 1024


class Watch(threading.Thread):
    """Read the memory every few milliseconds."""

    peak = 0.0

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.start()

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, anonymous())
            time.sleep(0.002)


def load(path: str, layers: int, plain: bool) -> None:
    """Load the checkpoint onto four devices and print what that took."""
    import jax
    import keras

    from b4k3.models import build_transformer_model

    jax.numpy.ones(()).block_until_ready()
    if plain:
        shape, names = (1, len(jax.devices())), ["data", "model"]
        layouts = keras.distribution.LayoutMap(keras.distribution.DeviceMesh(shape, names))
        for pattern, axes in BY_HAND.items():
            layouts[pattern] = axes
        made = keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="data")
    else:
        from b4k3.models import distribution

        made = distribution.model_parallel(config(layers), path)
    before, watch, began = anonymous(), Watch(), time.time()
    with made.scope():
        model = build_transformer_model(config(layers), path)
        jax.block_until_ready([v.value for v in model.variables])
    seconds, after = time.time() - began, anonymous()
    time.sleep(0.1)
    size = sum(v.value.nbytes for v in model.variables) / MB
    print(f"peak {(watch.peak - before) / size:.2f} x the model")
    print(f"{size:.0f} MB of weights; memory over the {before:.0f} MB before: peak {watch.peak - before:.0f} MB,")
    print(f"at the end {after - before:.0f} MB; {seconds:.1f} s")
    held = [
        sum(s.data.nbytes for v in model.variables for s in v.value.addressable_shards if s.device == d) / MB
        for d in jax.devices()
    ]
    print(
        "on the devices:",
        ", ".join(f"{x:.0f} MB" for x in held),
        *([f"; plan {made.plan.bytes_per_device / MB:.0f} MB"] if not plain else []),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=20, help="the number of blocks, of 48 MB each")
    parser.add_argument("--plain", action="store_true", help="with a layout map of Keras alone")
    parser.add_argument("--folder", help="where the checkpoint is, or is written")
    parser.add_argument("--step", choices=("write", "load"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        path = os.path.join(args.folder, "model.ckpt")
        write(path, args.layers) if args.step == "write" else load(path, args.layers, args.plain)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = args.folder or folder
        flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
        env = dict(os.environ, KERAS_BACKEND="jax", XLA_FLAGS=flags)
        command = [sys.executable, __file__, "--layers", str(args.layers), "--folder", place]
        if not os.path.exists(os.path.join(place, "model.ckpt.index")):
            subprocess.run([*command, "--step", "write"], check=True, env=dict(os.environ, KERAS_BACKEND="jax"))
        subprocess.run([*command, "--step", "load", *(["--plain"] if args.plain else [])], check=True, env=env)


if __name__ == "__main__":
    main()
