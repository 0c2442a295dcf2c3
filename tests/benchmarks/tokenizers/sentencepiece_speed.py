"""The speed of SentencePieceModel in pure Python and of the C++ package, ids of all texts, one thread.

    PYTHONPATH=tests python sentencepiece_speed.py [--models FOLDER] [--kinds NAME ...] [--rounds N]

Two models of 16,000 pieces, trained here on a sample of all the texts, and the golden ones, of 3,000 to 4,000. Rounds
are paired, in one process: C++, then ours with a new model, so that the cache is cold at the start of the corpus
(loading is not counted). CPU time; the best round of each, and the ratios of all rounds. With a Python that is compiled
without profile-guided optimization, as by pyenv, ours is a tenth slower than with that of a distribution.
"""

import argparse
import gc
import sys
import time

import sentencepiece
from sentencepiece_training import GOLDEN, KINDS, paths, texts

from b4k3.tokenizers import SentencePieceModel


def seconds(function, *args, **kwargs):
    gc.collect()  # the models of earlier rounds
    start = time.process_time()
    function(*args, **kwargs)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="/tmp/b4k3-sentencepiece", help="where trained models are kept")
    parser.add_argument("--kinds", nargs="*", default=[*KINDS, *GOLDEN], help="names in sentencepiece_training.py")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    corpora = texts()
    characters = {name: sum(map(len, lines)) for name, lines in corpora.items()}
    print(f"sentencepiece {sentencepiece.__version__}; Python {sys.version}; characters: {characters}")
    for kind, path in paths(args.models, args.kinds).items():
        theirs = sentencepiece.SentencePieceProcessor(model_file=path)
        for name, lines in corpora.items():
            millions = characters[name] / 1e6
            pairs = []
            for _ in range(args.rounds):
                ours = SentencePieceModel(path)
                pairs.append((seconds(theirs.encode, lines, num_threads=1), seconds(ours.encode_batch, lines)))
            best = [min(column) for column in zip(*pairs)]
            ratios = sorted(a / b for a, b in pairs)
            print(
                f"{kind:<28} {name:<13} C++ {millions / best[0]:5.2f}  ours {millions / best[1]:5.2f} Mchar/s  "
                f"ratio {best[0] / best[1]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
