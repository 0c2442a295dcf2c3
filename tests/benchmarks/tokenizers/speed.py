"""Characters a second of WordPiece: ours against others, one thread, in paired rounds in one process.

    python speed.py [--rounds 5] [--offsets]

Each round makes new tokenizers, so that every cache is empty at the start of the corpus, and gives each opponent the
same list of texts once; the ratio is that of the processor times of one round, the median of the rounds is printed. All
of them end with Python lists of ids (and offsets). See corpora.py for the environment; opponents that are not installed
are left out, slow ones get every tenth text.
"""

import argparse
import gc
import os
import statistics
import time
import warnings

os.environ.update(TOKENIZERS_PARALLELISM="false", TF_CPP_MIN_LOG_LEVEL="3")
import corpora  # noqa: E402

from b4k3.tokenizers import Tokenizer  # noqa: E402
from b4k3.tokenizers._bert_normalizer import char_table  # noqa: E402

warnings.simplefilter("ignore")


def ours(path):
    for table in map(char_table, (False, True)):
        table.clear()
    tokenizer = Tokenizer(path, do_lower_case=True)
    return lambda texts: tokenizer.encode_batch(texts).ids


def ours_offsets(path):
    ours(path)
    tokenizer = Tokenizer(path, do_lower_case=True)

    def run(texts):
        batch = tokenizer.encode_batch(texts)
        return batch.ids, batch.offsets

    return run


def hugging_face(path, method="encode_batch"):
    import tokenizers

    encode = getattr(tokenizers.BertWordPieceTokenizer(path, lowercase=True)._tokenizer, method)
    return lambda texts: [e.ids for e in encode(texts)]


def hugging_face_offsets(path):
    import tokenizers

    encode = tokenizers.BertWordPieceTokenizer(path, lowercase=True)._tokenizer.encode_batch
    return lambda texts: [(e.ids, e.offsets) for e in encode(texts)]


def flash(path):
    import flash_tokenizer

    tokenizer = flash_tokenizer.BertTokenizerFlash(path, do_lower_case=True)
    return lambda texts: tokenizer(texts, padding="longest", max_length=-1, do_multiprocess=False)["input_ids"]


def transformers_slow(path):
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    tokenizer = BertTokenizerLegacy(path, do_lower_case=True)
    return lambda texts: [tokenizer.encode(text) for text in texts]


def bert4keras(path):
    from bert4keras.tokenizers import Tokenizer as Theirs

    tokenizer = Theirs(path, do_lower_case=True)
    return lambda texts: [tokenizer.encode(text)[0] for text in texts]


OPPONENTS = {
    "tokenizers": (hugging_face, 1),
    "tokenizers encode_batch_fast": (lambda path: hugging_face(path, "encode_batch_fast"), 1),
    "flash-tokenizer": (flash, 1),
    "transformers, slow": (transformers_slow, 10),
    "bert4keras": (bert4keras, 10),
}


def seconds(make, path, texts):
    run = make(path)
    gc.collect()
    start = time.process_time()
    result = run(texts)
    end = time.process_time()
    del result
    return end - start


def compare(name, texts, path, opponents, mine, rounds):
    for opponent, (make, step) in opponents.items():
        part = texts[::step]
        try:
            make(path)
        except ImportError as e:
            print(f"{name:<10} {opponent:<30} not installed: {e}")
            continue
        pairs = [(seconds(make, path, part), seconds(mine, path, part)) for _ in range(rounds)]
        ratio = statistics.median(theirs / own for theirs, own in pairs)
        speeds = [sum(map(len, part)) / 1e6 / statistics.median(times) for times in zip(*pairs)]
        low, high = min(t / o for t, o in pairs), max(t / o for t, o in pairs)
        print(
            f"{name:<10} {opponent:<30} {speeds[0]:5.2f} Mchar/s  ours {speeds[1]:5.2f}  "
            f"ratio {ratio:5.2f} ({low:.2f} to {high:.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--offsets", action="store_true", help="ask for the offsets too")
    args = parser.parse_args()
    opponents, mine = OPPONENTS, ours
    if args.offsets:
        opponents, mine = {"tokenizers": (hugging_face_offsets, 1)}, ours_offsets
    chinese, english = corpora.chinese_vocabulary(), corpora.english_vocabulary()
    runs = [("Chinese", corpora.reviews(), chinese), ("English", corpora.english(), english)]
    for name, texts, path in runs + [("mixed", corpora.mixed(), english)]:
        compare(name, texts, path, opponents, mine, args.rounds)


if __name__ == "__main__":
    main()
