"""Random files `tokenizer.json`, all their settings, against Hugging Face's tokenizers: ids, offsets, words, lookups.

    hatch run bench-tokenizers:json-differential [--files 500] [--seed 0]
    hatch run bench-tokenizers:json-differential --write tests/golden/tokenizer_json/cases.json.xz --files 120

Prints the first differences and how many files and texts were compared; the exit status is 1 if any differs. With
`--write` the files, texts and what the library gives are stored for `tests/tokenizers/test_json_golden.py`.
"""

import argparse
import json
import lzma
import os
import random
import sys
import tempfile
import warnings

WORDS = "hello world foo bar a b ab the un able 中 国 . , ! hello2 é ß Foo YES".split()
PIECES = "##a ##b ##c ##o ##l ##e ##able ##s ##d ##r".split()
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ADDED = "<e>|foo|Foo|yes|YES|[unused1]|a b|中国|x|##|é|foo bar|un| t |<e><e>|。".split("|")
CHARS = list("abx _-.!中国éÉßﬁ\u0301\u200b。 \t\n\u3000") + "  | | |foo|Foo|hello|YES|un|able|[MASK]|[SEP]".split("|")
SPACE = "\u2581"
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
UNIGRAM_TEXTS = list("abc \u2581é") + ["  ", " ", "a b", "hello", "<e>", "</s>", "foo", "ab", " c"]


def added(rng, vocab, contents, normalized=True):
    tokens, following = [], len(vocab)
    seen = set()
    for content in contents:
        if content.casefold() in seen:  # of two that are one in normalised text the library finds one at random
            continue
        seen.add(content.casefold())
        i = vocab.get(content)
        if i is None:
            i, following = following, following + 1
        flags = {name: rng.random() < 0.3 for name in FLAGS}
        flags["normalized"] = flags["normalized"] and normalized
        tokens.append(dict({"id": i, "content": content}, **flags))
    return sorted(tokens, key=lambda token: token["id"])


def template(rng, names, vocab):
    """A post-processor."""
    kind = rng.choice(["none", "bert", "roberta", "usual", "usual", "odd", "odd"])
    a, b = names
    if kind == "none":
        return None
    if kind in ("bert", "roberta"):
        pair = {"sep": [b, vocab[b]], "cls": [a, vocab[a]]}
        extra = {"trim_offsets": False, "add_prefix_space": True} if kind == "roberta" else {}
        return dict(pair, type={"bert": "BertProcessing", "roberta": "RobertaProcessing"}[kind], **extra)

    def special(type_id=0):
        return {"SpecialToken": {"id": rng.choice(names), "type_id": type_id}}

    def text(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}

    if kind == "usual":
        first, last = {"SpecialToken": {"id": a, "type_id": 0}}, {"SpecialToken": {"id": b, "type_id": 0}}
        single = [first, text("A", 0), last]
        pair = single + [text("B", 1), {"SpecialToken": {"id": b, "type_id": 1}}]
    else:
        some = lambda: [special(rng.randrange(3)) for _ in range(rng.randrange(3))]  # noqa: E731
        single = some() + [text("A", rng.randrange(2))] + some()
        order = [text("A", rng.randrange(3)), text("B", rng.randrange(3))]
        rng.shuffle(order)
        pair = some() + order[:1] + some() + order[1:] + some()
    special_tokens = {name: {"id": name, "ids": [vocab[name]], "tokens": [name]} for name in names}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special_tokens}


def truncation(rng):
    if rng.random() < 0.4:
        return None
    return {
        "direction": rng.choice(["Left", "Right"]),
        "max_length": rng.choice([8, 9, 12, 20]),
        "strategy": rng.choice(["LongestFirst", "LongestFirst", "OnlyFirst", "OnlySecond"]),
        "stride": rng.choice([0, 0, 1, 2]),
    }


def padding(rng, vocab):
    if rng.random() < 0.4:
        return None
    return {
        "strategy": rng.choice(["BatchLongest", {"Fixed": rng.randrange(30)}]),
        "direction": rng.choice(["Left", "Right"]),
        "pad_to_multiple_of": rng.choice([None, None, 1, 4, 8]),
        "pad_id": rng.randrange(3),
        "pad_type_id": rng.randrange(3),
        "pad_token": rng.choice(["[PAD]", "<p>"]),
    }


def wordpiece(rng):
    """A WordPiece file."""
    tokens = SPECIALS + rng.sample(WORDS, 14) + rng.sample(PIECES, 7)
    rng.shuffle(tokens)
    vocab = {token: i for i, token in enumerate(tokens)}
    contents = rng.sample(SPECIALS, rng.randrange(6)) + rng.sample(ADDED, rng.randrange(6))
    lower = rng.random() < 0.6
    return {
        "version": "1.0",
        "truncation": truncation(rng),
        "padding": padding(rng, vocab),
        "added_tokens": added(rng, vocab, contents),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": rng.choice([None, lower]),
            "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template(rng, ["[CLS]", "[SEP]"], vocab),
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": rng.choice([100, 100, 4, 5]),
            "vocab": vocab,
        },
    }


def unigram(rng):
    """A Unigram file, whose scores leave no ties."""
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        SPACE,
        "a",
        "b",
        "c",
        "ab",
        SPACE + "a",
        SPACE + "ab",
        SPACE + "hello",
        "h",
        "e",
        "l",
    ]
    pieces += ["o", "é", SPACE * 2, "a" + SPACE + "b"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    steps = []
    for _ in range(rng.randrange(4)):
        strip = {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.7}
        runs = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": rng.choice([" ", SPACE])}
        ends = {"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""}
        steps.append(rng.choice([strip, runs, ends]))
    scheme = rng.choice(["always", "always", "first", "never"])
    split = rng.random() < 0.8
    if not split:
        vocab.pop(pieces.pop(pieces.index(SPACE * 2)))  # three blanks would be a tie
        vocab = {piece: i for i, piece in enumerate(pieces)}
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}
    words = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]}
    contents = rng.sample(["<unk>", "<s>", "</s>"], 3) + rng.sample(["<e>", "foo", "ab", " c", "é"], rng.randrange(3))
    return {
        "version": "1.0",
        "truncation": truncation(rng),
        "padding": padding(rng, vocab),
        "added_tokens": added(rng, vocab, contents),
        "normalizer": {"type": "Sequence", "normalizers": steps} if steps else None,
        "pre_tokenizer": words if scheme == "always" and split and rng.random() < 0.4 else metaspace,
        "post_processor": template(rng, ["<s>", "</s>"], vocab),
        "decoder": None,
        "model": {
            "type": "Unigram",
            "unk_id": 0,
            "vocab": [[piece, 0.0 if i < 3 else -1.0 - rng.random()] for i, piece in enumerate(pieces)],
            "byte_fallback": False,
        },
    }


def a_text(rng, chars):
    return "".join(rng.choice(chars) for _ in range(rng.randrange(14)))


def a_case(rng):
    """A file, texts and second texts (or None)."""
    description = rng.choice([wordpiece, wordpiece, unigram])(rng)
    chars = CHARS if description["model"]["type"] == "WordPiece" else UNIGRAM_TEXTS
    texts = [a_text(rng, chars) for _ in range(8)]
    pairs = [a_text(rng, chars) for _ in texts] if rng.random() < 0.5 else None
    return {"file": description, "texts": texts, "pairs": pairs}


FIELDS = "ids type_ids offsets attention_mask special_tokens_mask word_ids".split()


def facts(encoding, lengths):
    """All that an `Encoding` of theirs, or a row of ours, says."""
    found = {name: getattr(encoding, name) for name in FIELDS}
    found["offsets"] = [list(offset) for offset in found["offsets"]]
    size = len(found["ids"])
    found["sequence"] = [encoding.token_to_sequence(k) for k in range(size)]
    found["token_chars"] = [as_list(encoding.token_to_chars(k)) for k in range(size)]
    found["token_word"] = [encoding.token_to_word(k) for k in range(size)]
    for s, length in enumerate(lengths):
        found[f"char_token{s}"] = [encoding.char_to_token(k, s) for k in range(length + 1)]
        found[f"char_word{s}"] = [encoding.char_to_word(k, s) for k in range(length + 1)]
        found[f"word_tokens{s}"] = [as_list(encoding.word_to_tokens(k, s)) for k in range(length + 2)]
        found[f"word_chars{s}"] = [as_list(encoding.word_to_chars(k, s)) for k in range(length + 2)]
    return found


def as_list(pair):
    return None if pair is None else list(pair)


def rows_of(batch, case):
    """The facts of each row, and of the rows that it cut off."""
    out = []
    for k in range(len(case["texts"])):
        lengths = [len(case["texts"][k])] + ([len(case["pairs"][k])] if case["pairs"] else [])
        out.append([facts(encoding, lengths) for encoding in [batch[k], *batch[k].overflowing]])
    return out


def theirs(case):
    """What the library says, or the word 'refused'."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(case["file"]))
    inputs = list(zip(case["texts"], case["pairs"])) if case["pairs"] else case["texts"]
    try:
        return rows_of(tokenizer.encode_batch(inputs), case)
    except BaseException as e:  # the library panics where the stride is not less than the length
        if isinstance(e, KeyboardInterrupt):
            raise
        return "refused"


def ours(path, case):
    """What b4k3 says, or 'refused'."""
    from b4k3.tokenizers import load_tokenizer_json

    with open(path, "w", encoding="utf-8") as f:
        json.dump(case["file"], f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = load_tokenizer_json(path)
    batch = tokenizer.encode_batch(case["texts"], case["pairs"])
    try:
        return rows_of(batch, case)
    except ValueError:
        return "refused"


def compared(case, window, name):
    """Is a field compared? Without a post-processor, padding is of the first text to the library; in its overflowing
    rows the types are 0 and 1 whatever the post-processor says, and the lookups of pairs are off."""
    file = case["file"]
    if window and (name == "type_ids" or case["pairs"] and name not in FIELDS):
        return False
    return name not in ("sequence", "token_chars") or not file["padding"] or file["post_processor"] is not None


def differences(got, want, case):
    """(row, window, field, ours, theirs) of what differs."""
    if "refused" in (got, want):
        return [] if got == want else [(got == "refused" and "ours refuses", want == "refused" and "theirs refuses")]
    found = []
    for k, (mine, other) in enumerate(zip(got, want)):
        if len(mine) != len(other):
            found.append((k, "windows", len(mine), len(other)))
        for w, (x, y) in enumerate(zip(mine, other)):
            found += [(k, w, name, x[name], y[name]) for name in y if x[name] != y[name] and compared(case, w, name)]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write")
    args = parser.parse_args()
    rng, bad, stored = random.Random(args.seed), 0, []
    path = os.path.join(tempfile.mkdtemp(), "tokenizer.json")
    for number in range(args.files):
        case = a_case(rng)
        want = theirs(case)
        found = differences(json.loads(json.dumps(ours(path, case))), json.loads(json.dumps(want)), case)
        stored.append(dict(case, want=want))
        bad += bool(found)
        if found and bad <= 5:
            print("file", number, case["file"]["model"]["type"], *found[:2], sep="\n  ")
            if len(found[0]) > 2 and isinstance(found[0][0], int):
                print("  ", repr(case["texts"][found[0][0]]), repr(case["pairs"] and case["pairs"][found[0][0]]))
            print("  ", json.dumps({k: v for k, v in case["file"].items() if k != "model"}, ensure_ascii=False))
    print(f"{args.files} files, {8 * args.files} texts: {bad} files differ")
    if args.write:
        with lzma.open(args.write, "wt", encoding="utf-8") as f:
            json.dump(stored, f, ensure_ascii=False)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
