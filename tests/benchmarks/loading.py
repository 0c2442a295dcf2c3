"""A BERT-base checkpoint with Adam slots (1.2 GB, random weights) into a model: seconds, and peak anonymous memory.

    python tests/benchmarks/loading.py [--rounds 3] [--folder FOLDER] [--only b4k3-torch,…]

Contenders: b4k3 on torch and on JAX, from TensorFlow's files and from safetensors; bert4keras3 1.6.6 on the same
backends, from TensorFlow's files, by way of TensorFlow; transformers' `BertModel.from_pretrained`, from safetensors.
Each run is a process of its own, in turn, with the files in the page cache. `process` is all of its time (transformers
may not import TensorFlow and JAX in it). The others begin when all is imported: `load` ends when there is a model,
`ready` when it has answered 1 × 16 ids: transformers maps the file and reads weights when they are first used. Memory
is the largest growth of RssAnon (Linux) over what the imports left, until there is a model: mapped pages of files do
not count. It is measured in runs of its own: who watches takes time of those watched. A contender that is not installed
is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CONFIG = {
    "vocab_size": 21128,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def shapes():
    """{canonical name: shape} of BERT-base with pooler."""
    d, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    found = {
        "bert/embeddings/word_embeddings": (CONFIG["vocab_size"], d),
        "bert/embeddings/position_embeddings": (CONFIG["max_position_embeddings"], d),
        "bert/embeddings/token_type_embeddings": (CONFIG["type_vocab_size"], d),
        "bert/embeddings/LayerNorm/beta": (d,),
        "bert/embeddings/LayerNorm/gamma": (d,),
        "bert/pooler/dense/kernel": (d, d),
        "bert/pooler/dense/bias": (d,),
    }
    for i in range(CONFIG["num_hidden_layers"]):
        scope = f"bert/encoder/layer_{i}/"
        dense = {"attention/self/" + name: (d, d) for name in ("query", "key", "value")}
        dense.update({"attention/output/dense": (d, d), "intermediate/dense": (d, inner), "output/dense": (inner, d)})
        for name, shape in dense.items():
            found.update({scope + name + "/kernel": shape, scope + name + "/bias": shape[1:]})
        for name in ("attention/output", "output"):
            found.update({scope + name + "/LayerNorm/" + part: (d,) for part in ("beta", "gamma")})
    return found


def make(folder):
    """Writes the checkpoint, and the same as a folder of Hugging Face by `b4k3 convert`."""
    import numpy as np

    from b4k3.models.checkpoints import save_checkpoint
    from b4k3.models.cli import main

    random = np.random.RandomState(0)
    tensors = {}
    for name, shape in shapes().items():
        tensors[name] = random.standard_normal(shape).astype("float32") * np.float32(0.02)
        for slot in ("adam_m", "adam_v"):
            tensors[f"{name}/{slot}"] = np.full(shape, 1e-4, "float32")
    (folder / "google").mkdir()
    save_checkpoint(str(folder / "google" / "bert_model.ckpt"), tensors)
    (folder / "google" / "bert_config.json").write_text(json.dumps(CONFIG))
    assert main(["convert", str(folder / "google"), str(folder / "huggingface"), "--to", "huggingface"]) == 0


# ---------------------------------------------------------------------------------------------- in the child process


def b4k3(folder, kind):
    from b4k3.backend import keras  # noqa: F401 (the framework is imported before the clock runs)
    from b4k3.layers import MultiHeadAttention  # noqa: F401
    from b4k3.models import build_transformer_model
    from b4k3.models.architectures import bert  # noqa: F401

    config = {"google": "bert_config.json", "huggingface": "config.json"}[kind]
    paths = [str(folder / kind / name) for name in (config, "bert_model.ckpt" if kind == "google" else "")]
    return lambda: build_transformer_model(*paths, with_pool=True)


def bert4keras3(folder, kind):
    import tensorflow  # noqa: F401
    from bert4keras3.models import build_transformer_model

    paths = [str(folder / "google" / name) for name in ("bert_config.json", "bert_model.ckpt")]
    return lambda: build_transformer_model(*paths, with_pool=True)


def transformers(folder, kind):
    from transformers import BertModel

    return lambda: BertModel.from_pretrained(str(folder / "huggingface"))


# contender -> (function that prepares it, backend of Keras, names of the files)
CONTENDERS = {
    "b4k3-torch": (b4k3, "torch", "google"),
    "b4k3-torch-safetensors": (b4k3, "torch", "huggingface"),
    "bert4keras3-torch": (bert4keras3, "torch", "google"),
    "transformers": (transformers, "torch", "huggingface"),
    "b4k3-jax": (b4k3, "jax", "google"),
    "b4k3-jax-safetensors": (b4k3, "jax", "huggingface"),
    "bert4keras3-jax": (bert4keras3, "jax", "google"),
}


def anonymous():
    """Bytes of anonymous memory of this process."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))


def child(name, folder, memory):
    prepare, _, kind = CONTENDERS[name]
    load = prepare(pathlib.Path(folder), kind)
    if memory:
        peak, model = growth(load)
        size = 4 * (model.count_params() if hasattr(model, "count_params") else model.num_parameters())
        print(json.dumps({"memory": peak, "model": size}))
        return
    begin = time.perf_counter()
    model = load()
    seconds = time.perf_counter() - begin
    answer(name, model)
    print(json.dumps({"load": seconds, "ready": time.perf_counter() - begin}))


def growth(load):
    """(the largest growth of anonymous memory during a call, what the call returned)"""
    before, peak, done = anonymous(), [0], threading.Event()

    def watch():
        while not done.wait(0.002):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = load()
    done.set()
    watcher.join()
    return max(peak[0], anonymous()) - before, found


def answer(name, model):
    """One forward pass, not compiled as a whole."""
    import numpy as np

    ids = np.arange(1, 17)[None]
    if name == "transformers":
        import torch

        with torch.no_grad():
            return model.eval()(input_ids=torch.from_numpy(ids))
    return np.asarray(model([ids.astype("float32"), np.zeros((1, 16), "float32")]).tolist())


def run(name, folder, *flags):
    """What a fresh process of a contender measures, or None."""
    environment = dict(os.environ, KERAS_BACKEND=CONTENDERS[name][1], TF_CPP_MIN_LOG_LEVEL="3")
    environment.update(HF_HUB_OFFLINE="1", USE_TF="0", USE_FLAX="0")
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder), *flags]
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        print(f"{name:<24} left out: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return dict(json.loads(done.stdout.strip().splitlines()[-1]), process=seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files are, or are to be made")
    parser.add_argument("--only", help="contenders, separated by commas")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.folder, args.memory)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(args.folder or temporary)
        folder.mkdir(exist_ok=True)
        if not (folder / "huggingface").exists():
            make(folder)
        names = args.only.split(",") if args.only else list(CONTENDERS)
        measured = {name: [] for name in names}
        for _ in range(args.rounds):
            for name in names:
                measured[name].append(run(name, folder))
        for name, runs in measured.items():
            if all(runs):
                report(name, runs, run(name, folder, "--memory"))


def report(name, runs, size):
    times = [
        f"{key} {statistics.median(r[key] for r in runs):.2f} s (best {min(r[key] for r in runs):.2f})"
        for key in ("load", "ready", "process")
    ]
    memory = f"{size['memory'] / 1e6:.0f} MB = {size['memory'] / size['model']:.2f} × the model"
    print(f"{name:<24} {', '.join(times)}, peak {memory}")


if __name__ == "__main__":
    main()
