"""Greedy decoding of a 12 × 768 GPT-2, a T5 1.1 base or a 12 × 512 Qwen3, against transformers and keras-hub, paired.

    python tests/benchmarks/generation.py [--batch 1,8] [--new 128] [--rounds 3] [--model gpt2|t5|qwen3]
    python tests/benchmarks/generation.py --new 64,512 --only b4k3-jax     the cost of a token, short and long
    python tests/benchmarks/generation.py --only b4k3-tensorflow,bert4keras --new 256 --batch 1     without a cache

Random weights, a prompt of 32 tokens (of T5: a source of 32), no end token. Each contender is a process of its own that
waits for its turn, so each has its own backend; a round runs each once, and the ratio of a round is peer / b4k3 (above
1: b4k3 is faster). The first run, which compiles, is not counted. transformers runs on torch with its cache (for Qwen3
with its static one, and as "transformers-dynamic" with the one that grows), keras-hub on JAX; bert4keras 0.11.5, which
needs an old TensorFlow (`hatch run bench-tf115:generation`), predicts the whole text for each token. A contender that
does not start, as it is not installed, is named and left out. `--cpu` counts the processor's seconds, for machines that
are busy with other things.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

import numpy as np

VOCABULARY, WIDTH, HEADS, INNER, LAYERS, PROMPT = 21128, 768, 12, 3072, 12, 32
END = VOCABULARY + 1  # is never generated
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "hidden_act": "gelu_tanh",
    "max_position": 1024,
}
T5_SIZES = dict(SIZES, intermediate_size=2048, hidden_act=["gelu_tanh", "linear"], attention_head_size=64)
QWEN3_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 512,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "intermediate_size": 1536,
    "tie_word_embeddings": True,
}
CONTENDERS = [
    "b4k3-torch",
    "b4k3-jax",
    "b4k3-tensorflow",
    "transformers",
    "transformers-dynamic",
    "keras-hub",
    "bert4keras",
]
BACKENDS = {"keras-hub": "jax", "bert4keras": "tensorflow"}


def prompts(batch):
    return np.random.RandomState(0).randint(5, VOCABULARY, size=(batch, PROMPT)).astype("int32")


# Each makes a function (batch, new) -> ids of the new tokens.


def b4k3(model):
    from b4k3.models import build_transformer_model

    if model == "t5":
        sizes = {key: value for key, value in T5_SIZES.items() if key != "max_position"}
        transformer = build_transformer_model(model="t5.1.1", return_keras_model=False, **sizes)
    elif model == "qwen3":
        transformer = build_transformer_model(QWEN3_SIZES, model="qwen3", return_keras_model=False)
    else:
        transformer = build_transformer_model(model="gpt2", return_keras_model=False, **SIZES)
    return lambda batch, new: transformer.generate(prompts(batch), new)


def transformers(model, cache="static"):
    import torch
    import transformers

    options = {"cache_implementation": cache} if model == "qwen3" and cache else {}
    if model == "t5":
        config = transformers.T5Config(
            vocab_size=VOCABULARY, d_model=WIDTH, d_kv=64, d_ff=2048, num_layers=LAYERS, num_heads=HEADS,
            feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0, eos_token_id=None,
        )  # fmt: skip
        network = transformers.T5ForConditionalGeneration(config).eval()
    elif model == "qwen3":
        config = transformers.Qwen3Config(max_position_embeddings=1024, **QWEN3_SIZES)
        network = transformers.Qwen3ForCausalLM(config).eval()
    else:
        config = transformers.GPT2Config(
            vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=INNER, bos_token_id=None,
            eos_token_id=None,
        )  # fmt: skip
        network = transformers.GPT2LMHeadModel(config).eval()

    def generate(batch, new):
        ids = torch.from_numpy(prompts(batch).astype("int64"))
        with torch.inference_mode():
            found = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, pad_token_id=0,
                **options,
            )  # fmt: skip
        return found.numpy()[:, -new:]

    return generate


def keras_hub(model):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY, num_layers=LAYERS, num_heads=HEADS, hidden_dim=WIDTH, intermediate_dim=INNER,
        max_sequence_length=1024,
    )  # fmt: skip
    network = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    network.compile(sampler="greedy")

    def generate(batch, new):
        ids = np.pad(prompts(batch), ((0, 0), (0, new)))
        mask = np.arange(PROMPT + new)[None] < np.full((batch, 1), PROMPT)
        found = network.generate({"token_ids": ids, "padding_mask": mask.astype("int32")}, stop_token_ids=None)
        return np.asarray(found["token_ids"])[:, PROMPT:]

    return generate


def bert4keras(model):
    import json
    import tempfile

    from bert4keras.models import build_transformer_model
    from bert4keras.snippets import AutoRegressiveDecoder

    config = {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "intermediate_size": INNER, "hidden_act": "gelu", "max_position_embeddings": 1024, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
        json.dump(config, f)
    network = build_transformer_model(f.name, model="gpt2")
    os.remove(f.name)

    class Decoder(AutoRegressiveDecoder):
        @AutoRegressiveDecoder.wraps(default_rtype="probas")
        def predict(self, inputs, output_ids, states):
            return self.last_token(network).predict(np.concatenate([inputs[0], output_ids], 1))

    def generate(batch, new):
        decoder = Decoder(start_id=None, end_id=END, maxlen=new, minlen=new)
        return np.array([decoder.beam_search([row], topk=1) for row in prompts(batch)])

    return generate


def work(name, model, clock):
    """A contender: 'batch new' in, seconds out, a line each."""
    peers = {"transformers": transformers, "keras-hub": keras_hub, "bert4keras": bert4keras}
    peers["transformers-dynamic"] = lambda model: transformers(model, cache=None)
    generate = peers.get(name, b4k3)(model)
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        batch, new = map(int, line.split())
        begin = clock()
        found = generate(batch, new)
        seconds = clock() - begin
        assert found.shape == (batch, new), found.shape
        print(seconds, file=answers, flush=True)


class Contender:
    """The process of one."""

    def __init__(self, name, model, cpu):
        self.name = name
        backend = name[5:] if name.startswith("b4k3-") else BACKENDS.get(name, "torch")
        env = dict(os.environ, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3", HF_HUB_OFFLINE="1", RECOMPUTE="0")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work", name, "--model", model] + ["--cpu"] * cpu,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("VERBOSE") else None,
            universal_newlines=True,
            env=env,
        )
        self.ready = self.process.stdout.readline().strip() == "ready"
        if not self.ready:
            print(f"{name} did not start (VERBOSE=1 shows why)", flush=True)

    def run(self, batch, new):
        self.process.stdin.write(f"{batch} {new}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def report(batch, new, seconds):
    """A line for each contender, and its ratio to each b4k3 that was measured."""
    for name, values in seconds.items():
        ratios = ""
        for other, ours in seconds.items():
            if other.startswith("b4k3") and not name.startswith("b4k3"):
                ratio = statistics.median(t / o for t, o in zip(values, ours))
                ratios += f"   / {other}: {ratio:.2f}"
        per_token = 1000 * statistics.median(values) / new
        print(f"batch {batch}, {new:3d} new   {name:<16} {per_token:7.2f} ms a token{ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--new", default="128")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=["gpt2", "t5", "qwen3"], default="gpt2")
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.model, time.process_time if options.cpu else time.perf_counter)
        return
    names = options.only.split(",")
    if options.model != "gpt2":
        names = [name for name in names if name not in ("keras-hub", "bert4keras")]
    if options.model != "qwen3":
        names = [name for name in names if name != "transformers-dynamic"]
    contenders = [c for c in (Contender(name, options.model, options.cpu) for name in names) if c.ready]
    print(f"{options.model}, contenders: {', '.join(c.name for c in contenders)}", flush=True)
    for batch in map(int, options.batch.split(",")):
        for new in map(int, options.new.split(",")):
            seconds = {c.name: [] for c in contenders}
            for i in range(options.rounds + 1):
                for c in contenders:
                    time.sleep(0.2)  # the threads of the one before spin for a while
                    s = c.run(batch, new)
                    if i > 0:
                        seconds[c.name].append(s)
            report(batch, new, seconds)


if __name__ == "__main__":
    main()
