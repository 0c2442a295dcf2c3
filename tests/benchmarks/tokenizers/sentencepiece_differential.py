"""Compare SentencePieceModel with the C++ package on every text of corpora.py and on random ones, for every kind of
model.

    PYTHONPATH=tests python sentencepiece_differential.py [--models FOLDER] [--kinds NAME ...]

Ids of batches on all texts; ids, pieces, offsets, normalised and decoded text of single texts on a sample. Exit
status 1 if anything differs; nothing is excused.
"""

import argparse
import random
import sys

from sentencepiece_training import GOLDEN, KINDS, VARIANTS, paths, texts

from b4k3.tokenizers.sp_tokenizer import load_model

ALPHABETS = [
    "abc  ÄÖéèİıſß",
    "\u0300\u0301\u0308\u3099\u309a\u0327",
    "カガｶﾞﾊﾟはばぱ한글가각힣ᄀ",
    "▁▁ \t\n\r\u3000\u00a0\u200b\u200d\ufeff",
    "😀👨\u200d👩🇨🇳",
    "0123456789=-_#*.,<>()",
    "日本語中文字汉，。！",
    "абвгдёЖاردوعربيहिन्दीகிตำ",
    "①㈱㎏ﬁ™½²´\x00\x01\x7f\x85",
    ["<sep>", "<extra_id_0>", " x", "ab  c"],
]


def random_texts(count, seed=0):
    rng = random.Random(seed)
    for _ in range(count):
        some = rng.sample(ALPHABETS, rng.randint(1, 4))
        yield "".join(rng.choice(rng.choice(some)) for _ in range(rng.randrange(40)))
    for _ in range(count // 4):
        yield "".join(
            chr(rng.choice([rng.randrange(0x300), rng.randrange(0xD800), rng.randrange(0x10000, 0x1FFFF)]))
            for _ in range(20)
        )


def differences(path, lines):
    """(texts compared, descriptions of those that differ)."""
    ours, theirs = load_model(path), load_model(path, engine="sentencepiece")
    bad = [("ids", text) for text, a, b in zip(lines, ours.encode_batch(lines), theirs.encode_batch(lines)) if a != b]
    for text in lines[::29]:
        ids = theirs.encode(text)
        for method, argument in (
            ("encode", text),
            ("tokenize", text),
            ("encode_with_offsets", text),
            ("normalize", text),
            ("decode", ids),
        ):
            if getattr(ours, method)(argument) != getattr(theirs, method)(argument):
                bad.append((method, text))
    return len(lines), bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="/tmp/b4k3-sentencepiece", help="where trained models are kept")
    kinds = [*KINDS, *VARIANTS, *GOLDEN]
    parser.add_argument("--kinds", nargs="*", default=kinds, help="names in sentencepiece_training.py")
    args = parser.parse_args()
    corpora = dict(texts(), random=list(random_texts(50000)))
    total = failed = 0
    for kind, path in paths(args.models, args.kinds).items():
        for name, lines in corpora.items():
            count, bad = differences(path, lines)
            total, failed = total + count, failed + len(bad)
            print(f"{kind:<28} {name:<13} {count:7d} texts  {len(bad)} differ", flush=True)
            for method, text in bad[:3]:
                print(f"    {method} {ascii(text)[:200]}")
    print(f"{total} texts, {failed} differences")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
