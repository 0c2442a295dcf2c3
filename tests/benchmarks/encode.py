"""Sentences per second from text to vector, beside transformers, onnxruntime, OpenVINO and CTranslate2 in one run.

    hatch run bench:encode                               MiniLM, 500 Chinese and 500 English sentences: six minutes
    hatch run bench:encode --model e5 --texts chinese    multilingual-e5-small
    hatch run bench:encode --model base --sentences 200  a random network of the size of BERT-base

Each contender turns the same texts into the means of the last hidden states: it tokenizes, sorts the texts by length,
batches, computes and pools, as its own documentation recommends. Each lives in a process of its own. The peers run
batches of 32 texts, padded to the longest of each; --batch-size changes it for all. All computed rows are compared with
those of transformers by their cosine: at least 0.9999, or the contender is not measured.

A round runs each contender once, in an order that is reversed in every other round. The ratio of a round is the time of
transformers / the time of the contender (above 1: faster than transformers). A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os

from text_peers import MAXLEN, PEER, CTranslate2, Onnx, OpenVINO, Transformers, arguments_of, compare


class Encode:
    """`TextEncoder.encode`."""

    needs = ("keras",)

    def __init__(self, folder, args):
        from b4k3.tasks import TextEncoder

        if os.environ["KERAS_BACKEND"] == "torch":
            import torch

            torch.set_num_threads(args.threads)
        self.batch_size = args.batch_size
        self.encoder = TextEncoder.from_folder(folder, pooling="mean", maxlen=MAXLEN, **self.arguments(args))

    @staticmethod
    def arguments(args):
        return {"dtype": args.dtype} if args.dtype else {}

    def encode(self, texts):
        import warnings

        warnings.simplefilter("ignore")  # texts that are cut
        return self.encoder.encode(texts, batch_size=self.batch_size)


class Features:
    """What `b4k3 features` computes of its lines, without the file."""

    needs = ("keras",)

    def __init__(self, folder, args):
        from b4k3.models.cli.features import TextVectors

        if os.environ["KERAS_BACKEND"] == "torch":
            import torch

            torch.set_num_threads(args.threads)
        settings = {"path": str(folder), "pooling": "mean", "maxlen": MAXLEN, "batch_size": args.batch_size}
        settings.update(config=None, model=None, vocab=None, case="auto", normalize=False, dtype=args.dtype)
        self.vectors = TextVectors(argparse.Namespace(**settings))

    def encode(self, texts):
        return self.vectors.answers(texts, 0)


CONTENDERS = {
    PEER: (Transformers, "torch"),
    "onnxruntime": (Onnx, "torch"),
    "openvino": (OpenVINO, "torch"),
    "ctranslate2": (CTranslate2, "torch"),
    "encode-torch": (Encode, "torch"),
    "encode-jax": (Encode, "jax"),
    "features-torch": (Features, "torch"),
    "features-jax": (Features, "jax"),
}


def main():
    parser = arguments_of(__doc__)
    parser.add_argument("--dtype", help="of b4k3: bfloat16 for example; needs cosines of 0.999")
    args = parser.parse_args()
    args.least = 0.999 if args.dtype else 0.9999
    compare(CONTENDERS, args)


if __name__ == "__main__":
    main()
