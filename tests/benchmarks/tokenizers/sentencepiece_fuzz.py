"""Compare SentencePieceModel with the C++ package on small models, trained with options and symbols drawn at random.

    PYTHONPATH=tests python sentencepiece_fuzz.py [--models N] [--seed N]

Random texts, half of them full of the model's own symbols, and lines of the training text. Exit status 1 if anything
differs; the options and a text are printed.
"""

import argparse
import os
import random
import sys
import tempfile

import sentencepiece
from sentencepiece_differential import differences, random_texts
from sentencepiece_training import texts

# ordinary ones, and those that a rule changes, reaches into or takes apart
SYMBOLS = [
    *("<sep>", "[CLS]", "\u2581<extra_id_0>", "ab", "abc", "==", "的", "了。", "中国"),
    *(".", "-", "(", "–", "£", "!", ">", "é", "e\u0301", "\u0301", "\u0338", "\u200b", "\u2581", "x\u2581y"),
    *("Ａ", "ﬁx", "①", "Ⅳ", "㍿", "½", "ſ", "İ", "カ\u3099", "ｶﾞ", " x", "x ", "a b", "ab  c"),
]


def random_options(rng):
    """Options of the trainer."""
    return {
        "model_type": rng.choice(["unigram", "bpe"]),
        "vocab_size": rng.choice([2500, 4000]),
        "hard_vocab_limit": False,
        "character_coverage": rng.choice([0.98, 0.995]),
        "normalization_rule_name": rng.choice(["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]),
        "remove_extra_whitespaces": rng.random() < 0.6,
        "add_dummy_prefix": rng.random() < 0.6,
        "treat_whitespace_as_suffix": rng.random() < 0.25,
        "allow_whitespace_only_pieces": rng.random() < 0.3,
        "split_digits": rng.random() < 0.3,
        "byte_fallback": rng.random() < 0.3,
        "user_defined_symbols": rng.sample(SYMBOLS, rng.choice([0, 1, 3, 6])),
    }


def lines_for(symbols, training, rng):
    """Texts to compare on."""
    lines = list(random_texts(1500, rng.random()))
    if symbols:
        for k in range(0, len(lines), 2):
            lines[k] = "".join(rng.choice([rng.choice(symbols), char, char + rng.choice(symbols)]) for char in lines[k])
    lines += training[:200]
    rng.shuffle(lines)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    corpus = [line.replace("\0", "") for some in texts().values() for line in some]
    total = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        sample, prefix = os.path.join(folder, "sample.txt"), os.path.join(folder, "model")
        for _ in range(args.models):
            training, options = rng.sample(corpus, 600), random_options(rng)
            with open(sample, "w", encoding="utf-8") as f:
                f.write("\n".join(training))
            sentencepiece.SentencePieceTrainer.train(
                input=sample, model_prefix=prefix, max_sentence_length=100000, minloglevel=2, num_threads=1, **options
            )
            count, bad = differences(prefix + ".model", lines_for(options["user_defined_symbols"], training, rng))
            total, failed = total + count, failed + bool(bad)
            if bad:
                print(f"{len(bad)} differ: {options}\n    {bad[0][0]} {ascii(bad[0][1])}", flush=True)
    print(f"{args.models} models, {total} texts, {failed} models with differences")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
