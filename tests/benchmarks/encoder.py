"""Forward pass and training step of a BERT-base encoder against transformers and keras-hub, paired in one run.

    KERAS_BACKEND=torch python tests/benchmarks/encoder.py [--layers 12] [--rounds 7] [--only forward|train] [--fit]

Every contender does the same work on the same batch of 8 × 128 ids with padding, from numpy arrays to numpy arrays: the
last hidden states; or one step of AdamW on the mean square of the hidden states, with dropout 0.1. On torch all take
torch's AdamW, so that the models are compared; with --fit, Keras' models take Keras' optimizer and `train_on_batch`, as
they do elsewhere. All use the tanh gelu. Each contender lives in a process of its own, as it does at a user's: in a
shared one, what one frees decides how much fresh memory another must have mapped. A round runs each of them once, in
turn; the ratio of a round is peer / b4k3 (above 1: b4k3 is faster). transformers runs on torch whatever the backend.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import keras
import numpy as np

VOCABULARY, WIDTH, HEADS, INNER, LENGTH, BATCH = 21128, 768, 12, 3072, 128, 8


def batch():
    generator = np.random.default_rng(0)
    ids = generator.integers(1, VOCABULARY, (BATCH, LENGTH)).astype("int32")
    for i, n in enumerate(np.linspace(LENGTH // 3, LENGTH, BATCH).astype(int)):
        ids[i, n:] = 0
    return ids, np.zeros_like(ids), (ids != 0).astype("int32")


def mean_square(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred))


class B4k3:
    name = "b4k3"
    fit = keras.config.backend() != "torch"

    def __init__(self, layers):
        from b4k3.models import build_transformer_model

        self.model = build_transformer_model(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            intermediate_size=INNER,
            hidden_act="gelu_tanh",
            dropout_rate=0.1,
            attention_dropout_rate=0.1,
        )
        ids, segments, _ = batch()
        self.inputs = [ids, segments]
        self.prepare()

    def prepare(self):
        self.target = np.zeros((BATCH, LENGTH, 1), "float32")
        self.model.compile(optimizer=keras.optimizers.AdamW(1e-5), loss=mean_square)
        if not self.fit:
            import torch

            self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)

    def forward(self):
        return np.asarray(self.model.predict_on_batch(self.inputs))

    def train(self):
        if self.fit:
            return float(self.model.train_on_batch(self.inputs, self.target))
        self.optimizer.zero_grad()
        loss = self.model(self.inputs, training=True).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class KerasHub(B4k3):
    name = "keras-hub"

    def __init__(self, layers):
        import keras_hub

        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=VOCABULARY,
            num_layers=layers,
            num_heads=HEADS,
            hidden_dim=WIDTH,
            intermediate_dim=INNER,
            dropout=0.1,
            max_sequence_length=512,
        )
        self.model = keras.Model(backbone.input, backbone.output["sequence_output"])
        ids, segments, mask = batch()
        self.inputs = {"token_ids": ids, "segment_ids": segments, "padding_mask": mask}
        self.prepare()


class Transformers:
    name = "transformers"

    def __init__(self, layers):
        import torch
        import transformers

        self.torch = torch
        config = transformers.BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            intermediate_size=INNER,
            hidden_act="gelu_pytorch_tanh",
        )
        self.model = transformers.BertModel(config, add_pooling_layer=False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)
        self.inputs = [torch.from_numpy(x.astype("int64")) for x in batch()]

    def call(self):
        ids, segments, mask = self.inputs
        return self.model(input_ids=ids, token_type_ids=segments, attention_mask=mask)[0]

    def forward(self):
        self.model.eval()
        with self.torch.no_grad():
            return self.call().numpy()

    def train(self):
        self.model.train()
        self.optimizer.zero_grad()
        loss = self.call().square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def serve(contender, layers, fit, pipe):
    """A contender in a process of its own: does the work that it is told, and answers with the seconds."""
    B4k3.fit = B4k3.fit or fit
    contender = contender(layers)
    pipe.send(None)
    for work in iter(pipe.recv, None):
        begin = time.perf_counter()
        getattr(contender, work)()
        pipe.send(time.perf_counter() - begin)


def start(contender, layers, fit):
    """The pipe to a new process of a contender, once that is built."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    processes.Process(target=serve, args=(contender, layers, fit, its), daemon=True).start()
    ours.recv()
    return ours


def measure(pipes, work, rounds):
    """{name: seconds of each round}; the first two rounds compile and warm up."""
    seconds = {name: [] for name in pipes}
    for i in range(rounds + 2):
        for name, pipe in pipes.items():
            time.sleep(0.2)  # the threads of the one before spin for a while
            pipe.send(work)
            taken = pipe.recv()
            if i >= 2:
                seconds[name].append(taken)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["forward", "train"])
    parser.add_argument("--peers", default="keras-hub,transformers")
    parser.add_argument("--fit", action="store_true", help="on torch, train Keras' models with Keras' own optimizer")
    args = parser.parse_args()
    classes = [B4k3] + [c for c in (KerasHub, Transformers) if c.name in args.peers.split(",")]
    pipes = {c.name: start(c, args.layers, args.fit) for c in classes}
    print(f"backend {keras.config.backend()}, {args.layers} layers, batch {BATCH} x {LENGTH}")
    for work in [args.only] if args.only else ["forward", "train"]:
        seconds = measure(pipes, work, args.rounds)
        ours = seconds["b4k3"]
        print(f"{work:<8} {'b4k3':<13} median {1000 * statistics.median(ours):7.1f} ms")
        for name, theirs in seconds.items():
            if name != "b4k3":
                ratios = sorted(t / o for t, o in zip(theirs, ours))
                print(
                    f"{work:<8} {name:<13} median {1000 * statistics.median(theirs):7.1f} ms   "
                    f"peer / b4k3: median {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
                )
    for pipe in pipes.values():
        pipe.send(None)


if __name__ == "__main__":
    main()
