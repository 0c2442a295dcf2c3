"""Compare WordPiece with Hugging Face's tokenizers on every text of corpora.py: ids, offsets, windows and padding.

    python differential.py

Google's ids rule, so some differences must be there. A difference counts as explained only if it goes away when its
cause is taken out of the text. Exit status 1 if any other is left.
"""

import collections
import os
import random
import sys
import unicodedata
import warnings

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RUST_BACKTRACE"] = "0"
import corpora  # noqa: E402

import tokenizers  # noqa: E402
from b4k3.tokenizers import Tokenizer, load_tokenizer_json, save_tokenizer_json  # noqa: E402
from b4k3.tokenizers._bert_normalizer import char_table, spaced  # noqa: E402

warnings.simplefilter("ignore")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def without_unassigned(text):
    """Hugging Face drops private and unassigned code points, Google does not."""
    return "".join(ch for ch in text if unicodedata.category(ch) not in ("Co", "Cn", "Cs"))


def without_sigma(text):
    """Python lower-cases a final capital sigma to the final form, as Google's code does; Rust's char does not."""
    return text.replace("\u03a3", "\u03c3")


def without_specials(text):
    """Hugging Face takes a special token that is written in a text for that token; Google splits it."""
    for token in SPECIALS:
        text = text.replace(token, "")
    return text


def without_long_words(text):
    """Words of 101 to 200 characters are cut by Google; to Hugging Face's default limit they are unknown."""
    return " ".join(word for word in spaced(text, char_table(lower=False)).split() if len(word) <= 100)


CAUSES = [
    ("special token written in the text", without_specials),
    ("private or unassigned code point", without_unassigned),
    ("capital sigma", without_sigma),
    ("word of more than 100 characters", without_long_words),
]


def hugging_face(path, lower, word_maxlen=200):
    tokenizer = tokenizers.BertWordPieceTokenizer(path, lowercase=lower)
    tokenizer._tokenizer.model.max_input_chars_per_word = word_maxlen
    return tokenizer._tokenizer


def rows(encodings):
    return [(e.ids, e.offsets) for e in encodings]


def ours(tokenizer, texts):
    batch = tokenizer.encode_batch(texts)
    return list(zip(batch.ids, batch.offsets))


def cause_of(text, theirs, tokenizer):
    for name, take_out in CAUSES:
        changed = take_out(text)
        if changed != text and ours(tokenizer, [changed]) == rows(theirs.encode_batch([changed])):
            return name
        text = changed
    return "UNEXPLAINED"


def compare(name, texts, path, lower):
    theirs, tokenizer = hugging_face(path, lower, word_maxlen=100), Tokenizer(path, do_lower_case=lower)
    counts, examples = collections.Counter(), []
    for k in range(0, len(texts), 5000):
        block = texts[k : k + 5000]
        for text, a, b in zip(block, ours(tokenizer, block), rows(theirs.encode_batch(block))):
            if a != b:
                cause = cause_of(text, theirs, tokenizer)
                counts[cause] += 1
                if cause == "UNEXPLAINED":
                    examples.append(
                        (text[:120], a[0][:20], b[0][:20], [p for p in zip(a[1], b[1]) if p[0] != p[1]][:3])
                    )
    print(f"{name:<14} {'lower' if lower else 'cased':<5} {len(texts):7d} texts  {dict(counts) or 'all equal'}")
    for example in examples[:5]:
        print("   ", ascii(example))
    return len(texts), counts


def compare_windows(texts, path):
    """Pairs, truncation, stride and padding on 3000 random pairs; returns how many differ."""
    rng, different = random.Random(0), 0
    tokenizer, theirs = Tokenizer(path, do_lower_case=True), hugging_face(path, True)
    pad = tokenizer._token_pad_id
    for _ in range(3000):
        pair = [rng.choice(texts)[: rng.randrange(80)] for _ in range(2)]
        second = [pair[1]] if rng.random() < 0.7 else None
        maxlen, stride = rng.randrange(8, 40), rng.randrange(2)
        how = rng.choice(["longest_first", "only_first", "only_second"] if second else ["longest_first"])
        theirs.enable_truncation(maxlen, stride=stride, strategy=how)
        theirs.enable_padding(pad_id=pad, pad_token="[PAD]", length=maxlen)
        batch = tokenizer.encode_batch(
            pair[:1], second, maxlen=maxlen, truncation=how, stride=stride, padding="max_length"
        )
        try:
            e = theirs.encode(pair[0], second[0] if second else None)
        except BaseException:  # it panics or raises where a text would have to be cut to nothing
            try:
                print(len(batch.ids), len(batch.overflowing.ids), end="")
                different += 1
                print("    only theirs fails:", how, maxlen, stride, ascii(pair))
            except ValueError:
                pass
            continue
        want = [fields(x) for x in [e] + e.overflowing]
        got = list(zip(*(getattr(batch, f) + getattr(batch.overflowing, f) for f in FIELDS)))
        if got != want:
            different += 1
            if different < 4:
                print("   ", how, maxlen, stride, len(got), len(want), ascii(pair), got[:1], want[:1])
    return different


FIELDS = ("ids", "type_ids", "tokens", "offsets", "attention_mask", "special_tokens_mask")


def fields(encoding):
    return tuple(getattr(encoding, f) for f in FIELDS)


def compare_json(texts, path, file="/tmp/b4k3-differential.json"):
    """tokenizer.json: what we write, read by them; what they write, read by us. Returns how many texts differ."""
    save_tokenizer_json(file, Tokenizer(path, do_lower_case=True, special_tokens="recognise"))
    want = [e.ids for e in hugging_face(path, True).encode_batch(texts)]
    written = [e.ids for e in tokenizers.Tokenizer.from_file(file).encode_batch(texts)]
    hugging_face(path, True).save(file)
    read = load_tokenizer_json(file).encode_batch(texts).ids
    os.remove(file)
    return sum(a != b for a, b in zip(want, written)) + sum(a != b for a, b in zip(want, read))


def main():
    chinese, english = corpora.chinese_vocabulary(), corpora.english_vocabulary()
    texts = {
        "reviews": corpora.reviews(),
        "english": corpora.english(),
        "mixed": corpora.mixed(),
        "translations": corpora.translations(),
    }
    total, counts = 0, collections.Counter()
    for name, lines in texts.items():
        for path in (chinese, english):
            for lower in (True, False):
                n, c = compare(name, lines, path, lower)
                total += n
                counts.update(c)
    windows = compare_windows(texts["mixed"], english)
    files = compare_json(texts["mixed"][:5000] + ["a [MASK] b[SEP]c"], english)
    print(f"{sum(map(len, texts.values()))} different texts, {total} comparisons: {dict(counts)}")
    print(f"windows and padding: {windows} of 3000 differ; tokenizer.json: {files} texts differ")
    return 1 if counts["UNEXPLAINED"] or windows or files else 0


if __name__ == "__main__":
    sys.exit(main())
