"""Greedy decoding of a random GPT-2, T5 1.1 or Qwen3, against transformers, ctranslate2 and keras-hub, paired.

    python tests/benchmarks/decode.py [--batch 1,8] [--new 128] [--rounds 3] [--model gpt2|t5|qwen3]
    python tests/benchmarks/decode.py --layers 4 --threads 1 --cpu      for a machine that is busy with other things
    python tests/benchmarks/decode.py --new 64,512 --only b4k3-jax      the cost of a token, short and long
    python tests/benchmarks/decode.py --only b4k3-tensorflow,bert4keras --new 256 --batch 1     without a cache

A prompt of 32 tokens (of T5: a source of 32), no end token. transformers writes a network with random weights, which
it, ctranslate2 and b4k3 load, so that their tokens are compared: "tokens" is the share that equals what the first
contender says. Each contender is a process of its own that waits for its turn, so each has its own backend. A round
runs each once, every second one in the opposite order, and the ratio of a round is peer / b4k3 (above 1: b4k3 is
faster). The first run, which compiles, is not counted.

transformers runs on torch with its cache (for Qwen3 with its static one, and as "transformers-dynamic" with the one
that grows), keras-hub on JAX with weights of its own. A name that ends in "-int8" has 8-bit weights. bert4keras 0.11.5,
which needs an old TensorFlow (`hatch run bench-tf115:decode`), predicts the whole text for each token. A contender that
does not start, as it is not installed, is named and left out. `--cpu` counts the processor's seconds, which on one
thread hardly depend on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

VOCABULARY, HEAD_SIZE, PROMPT = 21128, 64, 32
END = VOCABULARY + 1  # is never generated
PEERS = ["transformers", "transformers-dynamic", "ctranslate2", "ctranslate2-int8", "keras-hub", "bert4keras"]
OURS = ["b4k3-torch", "b4k3-jax", "b4k3-tensorflow"]
QWEN3_ONLY, GPT2_ONLY = ["transformers-dynamic"], ["keras-hub", "bert4keras"]
NOT_QWEN3 = ["ctranslate2", "ctranslate2-int8"]
BACKENDS = {"keras-hub": "jax", "bert4keras": "tensorflow"}


def prompts(batch):
    return np.random.RandomState(0).randint(5, VOCABULARY, size=(batch, PROMPT)).astype("int32")


def sizes(options):
    """The sizes of GPT-2 in the names of b4k3."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": options.width,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.width // HEAD_SIZE,
        "intermediate_size": 4 * options.width,
        "hidden_act": "gelu_tanh",
        "max_position": 1024,
        "layer_norm_eps": 1e-5,
    }


def write_network(options):
    """Let transformers write a random network into the folder, and a tokenizer, which ctranslate2 wants."""
    import torch
    import transformers

    import tokenizers

    torch.manual_seed(0)
    width, layers, heads = options.width, options.layers, options.width // HEAD_SIZE
    if options.model == "t5":
        config = transformers.T5Config(
            vocab_size=VOCABULARY, d_model=width, d_kv=HEAD_SIZE, d_ff=width * 8 // 3, num_layers=layers,
            num_heads=heads, feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
            eos_token_id=None,
        )  # fmt: skip
        network = transformers.T5ForConditionalGeneration(config)
    elif options.model == "qwen3":
        config = transformers.Qwen3Config(
            vocab_size=VOCABULARY, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
            num_key_value_heads=heads // 2, head_dim=HEAD_SIZE, intermediate_size=3 * width, tie_word_embeddings=True,
            max_position_embeddings=1024,
        )  # fmt: skip
        network = transformers.Qwen3ForCausalLM(config)
    else:
        config = transformers.GPT2Config(
            vocab_size=VOCABULARY, n_embd=width, n_layer=layers, n_head=heads, bos_token_id=None, eos_token_id=None
        )
        network = transformers.GPT2LMHeadModel(config)
    network.save_pretrained(options.folder)
    words = tokenizers.models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t1")
    special = {"unk_token": "t1", "bos_token": "t2", "eos_token": "t3", "pad_token": "t0"}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(words), **special)
    tokenizer.save_pretrained(options.folder)


# Each makes a function (batch, new) -> ids of the new tokens.


def b4k3(options):
    from b4k3.models import build_transformer_model

    if options.folder:
        transformer = build_transformer_model(options.folder, return_keras_model=False)
    else:
        transformer = build_transformer_model(model="gpt2", return_keras_model=False, **sizes(options))
    if options.work.endswith("-int8"):
        transformer.model.quantize("int8")
    return lambda batch, new: transformer.generate(prompts(batch), new)


def transformers(options):
    import torch
    import transformers

    static = options.model == "qwen3" and options.work == "transformers"
    cache = {"cache_implementation": "static"} if static else {}
    kind = transformers.AutoModelForSeq2SeqLM if options.model == "t5" else transformers.AutoModelForCausalLM
    network = kind.from_pretrained(options.folder).eval()

    def generate(batch, new):
        ids = torch.from_numpy(prompts(batch).astype("int64"))
        with torch.inference_mode():
            found = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, pad_token_id=0, **cache
            )
        return found.numpy()[:, -new:]

    return generate


def ctranslate2(options):
    import ctranslate2

    kind = "int8" if options.work.endswith("-int8") else "float32"
    folder = os.path.join(options.folder, options.work)
    ctranslate2.converters.TransformersConverter(options.folder).convert(folder)
    threads = options.threads or len(os.sched_getaffinity(0))
    loaded = ctranslate2.Translator if options.model == "t5" else ctranslate2.Generator
    network = loaded(folder, device="cpu", compute_type=kind, intra_threads=threads, inter_threads=1)

    def generate(batch, new):
        texts = [[f"t{i}" for i in row] for row in prompts(batch)]
        common = {"beam_size": 1, "end_token": []}
        if options.model == "t5":
            found = network.translate_batch(texts, max_decoding_length=new, min_decoding_length=new, **common)
            return np.array([[int(token[1:]) for token in result.hypotheses[0]] for result in found])
        found = network.generate_batch(
            texts, max_length=new, min_length=new, include_prompt_in_result=False, sampling_topk=1, **common
        )
        return np.array([result.sequences_ids[0] for result in found])

    return generate


def keras_hub(options):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY, num_layers=options.layers, num_heads=options.width // HEAD_SIZE,
        hidden_dim=options.width, intermediate_dim=4 * options.width, max_sequence_length=1024,
    )  # fmt: skip
    network = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    network.compile(sampler="greedy")

    def generate(batch, new):
        ids = np.pad(prompts(batch), ((0, 0), (0, new)))
        mask = np.arange(PROMPT + new)[None] < np.full((batch, 1), PROMPT)
        found = network.generate({"token_ids": ids, "padding_mask": mask.astype("int32")}, stop_token_ids=None)
        return np.asarray(found["token_ids"])[:, PROMPT:]

    return generate


def bert4keras(options):
    from bert4keras.models import build_transformer_model
    from bert4keras.snippets import AutoRegressiveDecoder

    config = dict(sizes(options), hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config["max_position_embeddings"] = config.pop("max_position")
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


MAKERS = {
    "transformers": transformers,
    "transformers-dynamic": transformers,
    "ctranslate2": ctranslate2,
    "ctranslate2-int8": ctranslate2,
    "keras-hub": keras_hub,
    "bert4keras": bert4keras,
}


def work(options):
    """A contender: 'batch new' in, seconds and tokens out, a line each."""
    answers, sys.stdout = sys.stdout, sys.stderr
    if options.threads and options.work.startswith(("b4k3-torch", "transformers")):
        import torch

        torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu else time.perf_counter
    generate = MAKERS.get(options.work, b4k3)(options)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        batch, new = map(int, line.split())
        begin = clock()
        found = generate(batch, new)
        seconds = clock() - begin
        assert found.shape == (batch, new), found.shape
        print(json.dumps([seconds, np.asarray(found).tolist()]), file=answers, flush=True)


class Contender:
    """The process of one."""

    def __init__(self, name, options):
        self.name = name
        self.process = subprocess.Popen(
            command(name, options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("VERBOSE") else None,
            universal_newlines=True,
            env=environment(name, options),
        )
        self.ready = self.process.stdout.readline().strip() == "ready"
        if not self.ready:
            print(f"{name} did not start (VERBOSE=1 shows why)", flush=True)

    def run(self, batch, new):
        self.process.stdin.write(f"{batch} {new}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def command(name, options):
    given = ["--work", name, "--model", options.model, "--folder", options.folder]
    given += ["--layers", str(options.layers), "--width", str(options.width), "--threads", str(options.threads)]
    return [sys.executable, __file__] + given + ["--cpu"] * options.cpu


def environment(name, options):
    backend = name.split("-")[1] if name.startswith("b4k3-") else BACKENDS.get(name, "torch")
    env = dict(os.environ, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3", HF_HUB_OFFLINE="1", RECOMPUTE="0")
    if options.threads:
        env.update(OMP_NUM_THREADS=str(options.threads), TF_NUM_INTRAOP_THREADS=str(options.threads))
        if options.threads == 1:
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env


def report(batch, new, seconds, tokens):
    """A line for each contender: its share of equal tokens, and its ratio to each b4k3 that was measured."""
    first = next(iter(tokens.values()))
    for name, values in seconds.items():
        ratios = ""
        for other, ours in seconds.items():
            if other.startswith("b4k3") and not name.startswith("b4k3"):
                ratio = statistics.median(t / o for t, o in zip(values, ours))
                ratios += f"   / {other}: {ratio:.2f}"
        per_token, equal = 1000 * statistics.median(values) / new, np.mean(tokens[name] == first)
        print(f"batch {batch}, {new:3d} new   {name:<16} {per_token:7.2f} ms a token   tokens {equal:.2f}{ratios}")
    sys.stdout.flush()


def measured(contenders, batch, new, rounds):
    """Seconds of each round and the tokens, of each contender."""
    seconds, tokens = {c.name: [] for c in contenders}, {}
    for i in range(rounds + 1):
        for c in contenders if i % 2 else contenders[::-1]:
            time.sleep(0.2)  # the threads of the one before spin for a while
            spent, found = c.run(batch, new)
            tokens[c.name] = np.array(found)
            if i > 0:
                seconds[c.name].append(spent)
    return seconds, {c.name: tokens[c.name] for c in contenders}


def chosen(options):
    """The names of the contenders that have the model, as `--only` orders them."""
    absent = {"gpt2": QWEN3_ONLY, "t5": QWEN3_ONLY + GPT2_ONLY, "qwen3": GPT2_ONLY + NOT_QWEN3}[options.model]
    return [name for name in options.only.split(",") if name not in absent]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--new", default="128")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=["gpt2", "t5", "qwen3"], default="gpt2")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as each library takes")
    parser.add_argument("--only", default=",".join(OURS + PEERS))
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        (write_network if options.work == "write" else work)(options)
        return
    with tempfile.TemporaryDirectory() as options.folder:
        if subprocess.run(command("write", options), env=environment("write", options)).returncode:
            options.folder = ""  # without transformers each has random weights of its own
        contenders = [c for c in (Contender(name, options) for name in chosen(options)) if c.ready]
        print(
            f"{options.model}, {options.layers} × {options.width}, {', '.join(c.name for c in contenders)}", flush=True
        )
        for batch in map(int, options.batch.split(",")):
            for new in map(int, options.new.split(",")):
                report(batch, new, *measured(contenders, batch, new, options.rounds))


if __name__ == "__main__":
    main()
