"""Peak memory of a BERT that is loaded as floats and as int8, each in a process of its own.

    python tests/benchmarks/quantised_loading.py                  400 MB of floats
    python tests/benchmarks/quantised_loading.py --layers 2       smaller

The int8 file is made once by `model.quantize("int8")` and `model.save`. A process loads a file, answers one batch, and
says by how much its greatest size in memory grew since Keras was imported.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile

CONFIG = {
    "vocab_size": 21128,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position": 512,
}


def peak():
    """The greatest size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(folder, layers):
    from b4k3.models import build_transformer_model

    model = build_transformer_model(dict(CONFIG, num_hidden_layers=layers), model="bert")
    print(f"{model.count_params() * 4 / 1e6:.0f} MB of float32")
    model.save(os.path.join(folder, "float32.keras"))
    model.quantize("int8")
    model.save(os.path.join(folder, "int8.keras"))


def load(path):
    import numpy as np

    from b4k3.backend import keras
    from b4k3.layers import custom_objects

    custom_objects, before = dict(custom_objects), peak()
    model = keras.models.load_model(path, custom_objects=custom_objects, compile=False)
    loaded = peak()
    model([np.ones((1, 8), "int32"), np.zeros((1, 8), "int32")])
    size, name = os.path.getsize(path) / 1e6, os.path.basename(path)
    print(f"{name}: {size:.0f} MB, peak + {loaded - before:.0f} MB, with a batch + {peak() - before:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        return make(args.make, args.layers)
    if args.load:
        return load(args.load)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", folder, "--layers", str(args.layers)], check=True)
        for name in ("float32.keras", "int8.keras"):
            subprocess.run([sys.executable, __file__, "--load", os.path.join(folder, name)], check=True)


if __name__ == "__main__":
    main()
