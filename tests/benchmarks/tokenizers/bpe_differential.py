"""BPE and WordLevel files `tokenizer.json` against Hugging Face's tokenizers, and ranks against tiktoken.

    python bpe_differential.py kinds [--models FOLDER] [--step 1]   # each kind on all shipped texts
    python bpe_differential.py files [--files 2000] [--seed 0]      # files with random settings
    python bpe_differential.py files --files 150 --write ../../golden/bpe/cases.json.xz

`kinds` trains a tokenizer of each kind on a part of the texts (kept in --models) and compares the ids of every line,
and the offsets, words and decoded text, whole and as a stream, of every tenth. `files` draws normalizers,
pre-tokenizers, flags and templates at random, and compares all that an encoding says. A line that differs and has
characters of which the two Unicode tables may differ is counted apart.

Environment: pip install tokenizers==0.23.3 tiktoken regex; pip install --no-deps dashscope==2.0.2 (the ranks of Qwen),
and the packages of corpora.py. The exit status is 1 if anything differs.
"""

import argparse
import json
import lzma
import os
import random
import sys
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, os.path.dirname(__file__))
import json_differential as shared  # noqa: E402

SPACE = "\u2581"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
LLAMA3 += r"\s*[\r\n]+|\s+(?!\S)|\s+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
CHARS = list("abcxyzABX 01²½_-.!?'\"中国。é\u0301ÉßﬁΣςİ㎏가\u1100\u1161\u200b\u200d\u00a0\u3000\t\n\r") + [
    "  ", " ", " ", "ab", "abc", "<e>", "</s>", "foo", "Foo", "'s", "'ll", "\r\n", "😀", "e\u0301",
    "a\u0315\u0300\u05ae",
]  # fmt: skip
CHARS += ["\u212b", "\u1e9b\u0323", SPACE, "\u0130", "12345", "don't", "un", "<mask>"]
NEWEST = (14, 0)  # the Unicode version of the tables that tokenizers 0.23 has


# ---- each kind on shipped texts


def train(folder):
    """Train a tokenizer of each kind; return {name: path}."""
    import corpora

    import tokenizers as hf
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    texts = corpora.mixed()[::2] + corpora.translations()[::20]
    bytes_ = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
    level = lambda **kw: pre_tokenizers.ByteLevel(add_prefix_space=False, **kw)  # noqa: E731
    split = pre_tokenizers.Split(hf.Regex(LLAMA3), "isolated")
    clip = pre_tokenizers.Split(hf.Regex(CLIP), "removed", invert=True)
    kinds = {
        "gpt2": (models.BPE(), None, level(), decoders.ByteLevel(), dict(bytes_, vocab_size=16000)),
        "llama3": (
            models.BPE(ignore_merges=True),
            None,
            pre_tokenizers.Sequence([split, level(use_regex=False)]),
            decoders.ByteLevel(),
            dict(bytes_, vocab_size=16000),
        ),
        "roberta": (
            models.BPE(),
            normalizers.NFC(),
            pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=True)]),
            decoders.ByteLevel(),
            dict(bytes_, vocab_size=8000),
        ),
        "clip": (
            models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"),
            normalizers.Sequence(
                [normalizers.NFC(), normalizers.Replace(hf.Regex(r"\s+"), " "), normalizers.Lowercase()]
            ),
            pre_tokenizers.Sequence([clip, level(use_regex=False)]),
            decoders.ByteLevel(),
            dict(bytes_, vocab_size=8000, end_of_word_suffix="</w>", special_tokens=["<|endoftext|>"]),
        ),
        "llama2": (
            models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
            normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]),
            pre_tokenizers.Metaspace(),
            decoders.Sequence(
                [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            ),
            {
                "vocab_size": 12000,
                "limit_alphabet": 2500,
                "special_tokens": ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)],
                "show_progress": False,
            },
        ),
        "metaspace": (
            models.BPE(unk_token="<unk>"),
            None,
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            decoders.Metaspace(),
            {"vocab_size": 8000, "limit_alphabet": 1500, "special_tokens": ["<unk>"], "show_progress": False},
        ),
        "openai-gpt": (
            models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
            normalizers.BertNormalizer(lowercase=True),
            pre_tokenizers.BertPreTokenizer(),
            decoders.BPEDecoder("</w>"),
            {
                "vocab_size": 8000,
                "limit_alphabet": 1500,
                "end_of_word_suffix": "</w>",
                "special_tokens": ["<unk>"],
                "show_progress": False,
            },
        ),
    }
    paths = {}
    for name, (model, normalizer, pre_tokenizer, decoder, trainer) in kinds.items():
        paths[name] = path = os.path.join(folder, name + ".json")
        if os.path.exists(path):
            continue
        tokenizer = hf.Tokenizer(model)
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoder
        if "initial_alphabet" in trainer:
            tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
        tokenizer.train_from_iterator(texts, trainers.BpeTrainer(**trainer))
        description = json.loads(tokenizer.to_str())
        if name == "llama2":  # trained by words, used on whole texts, as the files of Llama 2 are
            description["pre_tokenizer"] = None
            description["added_tokens"] = description["added_tokens"][:3]
        with open(path, "w", encoding="utf-8") as f:
            json.dump(description, f, ensure_ascii=False)
    paths["wordlevel"] = path = os.path.join(folder, "wordlevel.json")
    tokenizer = hf.Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=20000, special_tokens=["[UNK]"]))
    tokenizer.save(path)
    return paths


def has_new_characters(text):
    """Whether a text has characters whose category Rust's older tables may say otherwise."""
    old = unicodedata.ucd_3_2_0
    return any(
        old.category(char) == "Cn" and unicodedata.category(char) != old.category(char)
        for char in set(text)
        if ord(char) > 0x7FF
    )


def line_differences(encoding, line, theirs, ours):
    """(field, ours, theirs) of what differs of one line but its ids, which are known to be the same."""
    batch, found = ours.encode_batch([line]), []
    for name, mine, other in (
        ("offsets", batch.offsets[0], [tuple(offset) for offset in encoding.offsets]),
        ("words", batch.word_ids[0], encoding.word_ids),
    ):
        if mine != other:
            found.append((name, mine, other))
    text = ours.decode(encoding.ids)
    if text != theirs.decode(encoding.ids):
        found.append(("text", text, theirs.decode(encoding.ids)))
    if "".join(ours.decode_stream(encoding.ids)) != text:
        found.append(("stream", list(ours.decode_stream(encoding.ids)), text))
    return found


def compare_kinds(args):
    import corpora

    import tokenizers as hf
    from b4k3.tokenizers import load_tokenizer_json

    texts = (corpora.reviews() + corpora.english() + corpora.translations())[:: args.step]
    os.makedirs(args.models, exist_ok=True)
    total = 0
    for name, path in train(args.models).items():
        if args.only and name not in args.only.split(","):
            continue
        theirs, ours = hf.Tokenizer.from_file(path), load_tokenizer_json(path)
        bad, of_unicode = 0, 0
        for start in range(0, len(texts), 5000):
            block = texts[start : start + 5000]
            ids = ours.encode_batch(block).ids
            for k, encoding in enumerate(theirs.encode_batch(block)):
                found = [] if ids[k] == encoding.ids else [("ids", ids[k], encoding.ids)]
                if not found and k % args.every == 0:
                    found = line_differences(encoding, block[k], theirs, ours)
                if found and has_new_characters(block[k]):
                    of_unicode += 1
                elif found:
                    bad += 1
                    if bad <= 3:
                        print("  ", repr(block[k])[:200], *[str(x)[:300] for x in found[:2]], sep="\n    ")
        print(f"{name:<12} {len(texts)} lines: {bad} differ, {of_unicode} by the version of Unicode", flush=True)
        total += bad
    return total + compare_tiktoken(texts)


def compare_tiktoken(texts):
    """The ranks of Qwen against tiktoken."""
    import corpora
    import tiktoken
    import tiktoken.load

    from b4k3.tokenizers import BpeTokenizer
    from b4k3.tokenizers._patterns import PATTERNS

    path = os.path.join(corpora.folder("dashscope"), "resources", "qwen.tiktoken")
    specials = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
    theirs = tiktoken.Encoding(
        "qwen",
        pat_str=PATTERNS["qwen2"],
        mergeable_ranks=tiktoken.load.load_tiktoken_bpe(path),
        special_tokens=specials,
    )
    ours = BpeTokenizer.from_tiktoken(path, "qwen2", specials)
    bad = 0
    for start in range(0, len(texts), 5000):
        block = texts[start : start + 5000]
        for text, mine in zip(block, ours.encode_batch(block).ids):
            want = theirs.encode(text, allowed_special="all")
            if mine != want or ours.decode(mine) != theirs.decode(want):
                bad += 1
                if bad <= 3:
                    print("  ", repr(text)[:200], mine[:40], want[:40])
    print(f"{'tiktoken':<12} {len(texts)} lines: {bad} differ", flush=True)
    return bad


# ---- random files


def a_model(rng, kind, metaspace):
    """A small BPE model whose merges join random tokens."""
    from b4k3.tokenizers._byte_level import BYTE_CHARS

    if kind == "bytes":
        alphabet = list(BYTE_CHARS) if rng.random() < 0.8 else rng.sample(BYTE_CHARS, 230)
        seeds = [c for c in "abcxyzABXĠ01'ÃäåĊ" if c in alphabet] + [c for c in ("Ġ", "©", "¸", "Ń") if c in alphabet]
    else:
        alphabet = list("abcxyzABX01²_-.!'中国。éßΣ") + [SPACE, " ", "\u0301", "e", "Ġ"]
        alphabet = rng.sample(alphabet, rng.randrange(12, len(alphabet)))
        seeds = alphabet
    prefix = rng.choice(["", "", "", "##"]) if kind == "chars" else ""
    suffix = rng.choice(["", "", "</w>"]) if not metaspace else ""
    tokens = list(alphabet)
    unk = rng.choice([None, "<unk>", "<unk>"])
    tokens += [prefix + token for token in alphabet] if prefix else []
    tokens += [token + suffix for token in tokens] if suffix else []
    tokens = ([unk] if unk else []) + tokens
    vocab = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    merges, known = [], [t for t in vocab if t[:1] in seeds or prefix and t.startswith(prefix)]
    for _ in range(rng.choice([5, 20, 60])):
        left, right = rng.choice(known), rng.choice(known)
        if prefix and (not right.startswith(prefix) or left.endswith(suffix or "\0")):
            continue
        if suffix and suffix in left:
            continue
        union = left + right[len(prefix) :]
        if union not in vocab:
            vocab[union] = len(vocab)
            known.append(union)
        if union not in (left, right) and (left, right) not in merges:
            merges.append((left, right))
    rng.shuffle(merges) if rng.random() < 0.3 else None
    fallback = kind == "chars" and not prefix and not suffix and rng.random() < 0.4
    if fallback:
        for byte in range(256):
            vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    ignore, as_lines = rng.random() < 0.3, [" ".join(pair) for pair in merges]
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unk,
        "continuing_subword_prefix": prefix or None,
        "end_of_word_suffix": suffix or None,
        "fuse_unk": rng.random() < 0.5,
        "byte_fallback": fallback,
        "ignore_merges": ignore,
        "vocab": vocab,
        "merges": as_lines if rng.random() < 0.5 and " " not in "".join(known) else [list(pair) for pair in merges],
    }


def a_normalizer(rng):
    steps = []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        steps.append(
            rng.choice(
                [{"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
                + [
                    {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.5},
                    {"type": "Prepend", "prepend": rng.choice([SPACE, "ab", " "])},
                    {"type": "Replace", "pattern": {"String": rng.choice([" ", "ab", "é"])}, "content": SPACE},
                    {"type": "Replace", "pattern": {"Regex": rng.choice([r"\s+", "b+", r"^\w", r"\d$"])},
                     "content": rng.choice(["", "x", "ab", "\\1"])},
                    {"type": "BertNormalizer", "clean_text": rng.random() < 0.5, "lowercase": rng.random() < 0.5,
                     "handle_chinese_chars": rng.random() < 0.5, "strip_accents": rng.choice([None, True, False])},
                ]
            )
        )  # fmt: skip
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "normalizers": steps} if steps else None


BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def a_pre_tokenizer(rng):
    metaspace = {"type": "Metaspace", "replacement": SPACE, "split": rng.random() < 0.7}
    metaspace["prepend_scheme"] = rng.choice(["always", "first", "never"])
    pattern = rng.choice([LLAMA3, CLIP, r"\s", r"\p{N}", "[ab]+", r"\w+|[^\w\s]+", "(?=x)|y", r"^.|\d$", r"[\w.]{2,3}"])
    pattern = {"Regex": pattern} if rng.random() < 0.7 else {"String": rng.choice([" ", "ab", "."])}
    behavior = rng.choice(BEHAVIORS)
    return rng.choice(
        [
            {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": rng.random() < 0.3},
            {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False},
            {"type": "Whitespace"},
            {"type": "WhitespaceSplit"},
            {"type": "BertPreTokenizer"},
            {"type": "Digits", "individual_digits": rng.random() < 0.5},
            {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)},
            {"type": "CharDelimiterSplit", "delimiter": rng.choice(" a.")},
            metaspace,
            byte_level(rng),
        ]
    )


def byte_level(rng):
    kinds = {name: rng.random() < 0.5 for name in ("add_prefix_space", "trim_offsets", "use_regex")}
    return dict(kinds, type="ByteLevel")


def a_processor(rng, vocab):
    template = shared.template(rng, ["<s>", "</s>"], vocab)
    if template and template["type"] == "RobertaProcessing":
        template.update(trim_offsets=rng.random() < 0.7, add_prefix_space=rng.random() < 0.5)
    if rng.random() < 0.5:
        return template
    processors = [byte_level(rng)] + ([template] if template else [])
    return {"type": "Sequence", "processors": processors}


def a_decoder(rng):
    return rng.choice(
        [
            None,
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            {"type": "BPEDecoder", "suffix": "</w>"},
            {
                "type": "Metaspace",
                "replacement": SPACE,
                "prepend_scheme": rng.choice(["always", "never"]),
                "split": True,
            },
            {"type": "WordPiece", "prefix": "##", "cleanup": rng.random() < 0.5},
            {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
                ],
            },
        ]
    )


def a_file(rng):
    kind = rng.choice(["bytes", "bytes", "chars"])
    pre = [a_pre_tokenizer(rng) for _ in range(rng.choice([0, 1, 1, 2]))]
    if kind == "bytes":
        pre.append(byte_level(rng))
    model = a_model(rng, kind, any(step["type"] == "Metaspace" for step in pre))
    if kind == "bytes" or any(step["type"] == "ByteLevel" for step in pre):
        model["byte_fallback"] = False
    if kind == "chars" and rng.random() < 0.2:
        vocab = {token: i for i, token in enumerate(["<unk>", *rng.sample(CHARS, 20), "foo", "ab", SPACE + "ab"])}
        vocab = {token: i for i, token in enumerate(vocab)}
        model = {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}
    vocab = model["vocab"]
    for special in ("<s>", "</s>"):
        vocab.setdefault(special, len(vocab))
    contents = ["<s>", "</s>"] + rng.sample(["<e>", "foo", "<mask>", " c", "é", "ab"], rng.randrange(4))
    return {
        "version": "1.0",
        "truncation": shared.truncation(rng) if rng.random() < 0.3 else None,
        "padding": shared.padding(rng, vocab) if rng.random() < 0.5 else None,
        "added_tokens": shared.added(rng, vocab, contents),
        "normalizer": a_normalizer(rng),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre} if len(pre) > 1 else pre[0] if pre else None,
        "post_processor": a_processor(rng, vocab),
        "decoder": a_decoder(rng),
        "model": model,
    }


def a_case(rng):
    texts = [shared.a_text(rng, CHARS) for _ in range(8)]
    pairs = [shared.a_text(rng, CHARS) for _ in texts] if rng.random() < 0.3 else None
    return {"file": a_file(rng), "texts": texts, "pairs": pairs}


FIELDS = shared.FIELDS
rows_of = shared.rows_of


def with_texts(rows, decode):
    """Add the decoded text of each row."""
    if rows != "refused":
        for windows in rows:
            for row in windows:
                row["text"] = decode(row["ids"])
    return rows


def theirs(case):
    import tokenizers as hf

    return with_texts(shared.theirs(case), hf.Tokenizer.from_str(json.dumps(case["file"])).decode)


def decoded(tokenizer, ids):
    """Our text of some ids; both texts if the one that comes in parts is another.

    Of a run of byte tokens that is no UTF-8 a stream has given the good bytes before the bad ones come.
    """
    text = tokenizer.decode(ids)
    streamed = "".join(tokenizer.decode_stream(ids))
    return text if streamed == text or "\ufffd" in text else [text, streamed]


def ours(path, case):
    from b4k3.tokenizers import load_tokenizer_json

    rows = shared.ours(path, case)
    tokenizer = load_tokenizer_json(path)
    return with_texts(rows, lambda ids: decoded(tokenizer, ids))


def comparable(case, want):
    """What the library says without what it has wrong; None if there is nothing left to compare."""
    if want == "refused" or case["file"]["model"]["type"] == "WordLevel" and case["file"]["pre_tokenizer"] is None:
        return None
    ignored = ignored_fields(case["file"])
    rows = [windows[:1] for windows in want]
    return [
        [{name: row[name] for name in row if name not in ignored and shared.compared(case, w, name)} for row in windows]
        for windows in rows
        for w in [0]
    ]


LOOKUPS = set("token_chars token_word char_token0 char_token1 char_word0 char_word1 word_chars0 word_chars1".split())
LOOKUPS |= {"word_tokens0", "word_tokens1"}


def ignored_fields(file):
    """The fields of a file in which the library is wrong by itself.

    Next to a sequence of post-processors it counts each special token as a text. Offsets of characters after one that
    is left out are too small. An added token with `normalized` is decoded as its normalised text, and then is not
    special any more. A row that begins inside of a text keeps the blank that only the beginning of a text gets. An
    empty text is a word of WordLevel if there are added tokens and no pre-tokenizer.
    """
    import tokenizers as hf
    from b4k3.tokenizers._byte_level import BYTE_CHARS

    found, processor, model = set(), file["post_processor"], file["model"]
    if processor and processor["type"] == "Sequence":
        found |= {"sequence"} | LOOKUPS
    spelled = model["byte_fallback"] if model["type"] == "BPE" else True
    spelled = spelled or not model["end_of_word_suffix"] and model["vocab"].keys() >= set(BYTE_CHARS)
    if not spelled and not model["unk_token"]:
        found |= {"offsets"} | LOOKUPS
    if file["truncation"] and "'trim_offsets': True" in str(processor):
        found |= {"offsets"} | LOOKUPS
    normalizer = hf.Tokenizer.from_str(json.dumps(file)).normalizer
    added = [token["content"] for token in file["added_tokens"] if token["normalized"]]
    if normalizer is not None and any(normalizer.normalize_str(content) != content for content in added):
        found.add("text")
    return found


def differences(got, want, case):
    """What differs, apart from what the library has wrong."""
    found = shared.differences(got, want, case)
    if found == [(False, "theirs refuses")]:  # It panics where an added token with `normalized` changes its length.
        return []
    if case["file"]["model"]["type"] == "WordLevel" and case["file"]["pre_tokenizer"] is None:
        found = [x for x in found if len(x) < 3 or case["texts"][x[0]] and (not case["pairs"] or case["pairs"][x[0]])]
    ignored = ignored_fields(case["file"]) if found else ()
    return [x for x in found if len(x) < 3 or x[2] not in ignored]


def compare_files(args):
    from b4k3.tokenizers import VocabError

    rng, bad, refused, stored = random.Random(args.seed), 0, {}, []
    path = os.path.join(tempfile.mkdtemp(), "tokenizer.json")
    for number in range(args.files):
        case = a_case(rng)
        try:
            got = json.loads(json.dumps(ours(path, case)))
        except VocabError as e:
            reason = str(e)[len(path) + 2 :][:60]
            refused[reason] = refused.get(reason, 0) + 1
            continue
        want = json.loads(json.dumps(theirs(case)))
        found = differences(got, want, case)
        if comparable(case, want):
            stored.append(dict(case, want=comparable(case, want)))
        bad += bool(found)
        if found and bad <= args.show:
            print("file", number, *[str(x)[:400] for x in found[:3]], sep="\n  ")
            if len(found[0]) > 2 and isinstance(found[0][0], int):
                print("  ", repr(case["texts"][found[0][0]]), repr(case["pairs"] and case["pairs"][found[0][0]]))
            print("  ", json.dumps({k: v for k, v in case["file"].items() if k != "model"}, ensure_ascii=False))
            model = case["file"]["model"]
            print(
                "  ", {k: v for k, v in model.items() if k not in ("vocab", "merges")}, str(model.get("merges"))[:300]
            )
    print(f"{args.files} files, {8 * args.files} texts: {bad} files differ; refused: {refused}")
    if args.write:
        with lzma.open(args.write, "wt", encoding="utf-8") as f:
            json.dump(stored, f, ensure_ascii=False)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kinds", "files"))
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=3)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--every", type=int, default=10, help="offsets, words and texts of every so many lines")
    parser.add_argument("--only")
    parser.add_argument("--models", default=os.path.join(tempfile.gettempdir(), "bpe-models"))
    parser.add_argument("--write")
    args = parser.parse_args()
    return 1 if (compare_kinds if args.what == "kinds" else compare_files)(args) else 0


if __name__ == "__main__":
    sys.exit(main())
