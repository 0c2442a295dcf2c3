"""Peak memory of `b4k3 features` over files of 10^5 to 10^6 short lines: it must not grow with them.

    python tests/benchmarks/features_memory.py                          a BERT of one block, 8 wide
    python tests/benchmarks/features_memory.py --lines 10000 30000      smaller

Each file is read by a process of its own, which writes its rows to a .npy file. The peak is the greatest size of that
process, Keras included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

WORDS = "the stock market fell on monday how do i bake bread while rain runs down windows nobody knows".split()
RUN = "import sys; from b4k3.models.cli import main; sys.exit(main(sys.argv[1:]))"


def write_model(folder):
    """A random BERT in Google's form, with a vocabulary of words."""
    from b4k3.models import BERT

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    sizes = dict(vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    sizes.update(intermediate_size=8, hidden_act="gelu")
    bert = BERT(max_position=64, **sizes)
    bert.build()
    bert.save_weights_as_checkpoint(os.path.join(folder, "bert_model.ckpt"))
    with open(os.path.join(folder, "vocab.txt"), "w") as file:
        file.write("\n".join(vocabulary) + "\n")
    with open(os.path.join(folder, "bert_config.json"), "w") as file:
        json.dump(dict(sizes, max_position_embeddings=64, type_vocab_size=2), file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        texts = os.path.join(folder, "lines.txt")
        for count in args.lines:
            with open(texts, "w") as file:
                file.writelines(f"{WORDS[i % 19 - 1]} {WORDS[i % 7]} {WORDS[i % 11]}\n" for i in range(count))
            begin = time.monotonic()
            command = [sys.executable, "-c", RUN, "features", folder, texts, "--pooling", "mean", "--quiet"]
            child = subprocess.Popen(command + ["--maxlen", "64", "--output", os.path.join(folder, f"{count}.npy")])
            _, status, usage = os.wait4(child.pid, 0)
            seconds, peak = time.monotonic() - begin, usage.ru_maxrss / 1024
            print(f"{count:8d} lines: peak {peak:.0f} MB, {seconds:.0f} seconds, exit {status}", flush=True)


if __name__ == "__main__":
    main()
