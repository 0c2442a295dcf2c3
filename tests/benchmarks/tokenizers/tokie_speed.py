"""Characters a second of tokie (Rust), of tokenizers (Rust) and of ours, one thread, in paired rounds in one process.

    python tokie_speed.py [--rounds 5] [--step 1] [--only wordpiece-en,gpt2] [--models FOLDER]

All three read the same files `tokenizer.json`: WordPiece with Google's vocabularies, BPE as bpe_differential.py trains
it, and a unigram model of 16,000 pieces that `tokenizers` trains here. Each round loads the tokenizers anew, so that
every cache is empty at the start of the corpus, and gives all three the same texts once. The ratios are those of the
processor times of one round; the median of the rounds is printed, and above 1 ours is faster. All of them end with
Python lists of ids.

Before the rounds the ids are compared: "same" is the share of the texts with the ids that `tokenizers` gives. The
environment is that of bpe_differential.py, with tokie==0.1.4.
"""

import argparse
import gc
import os
import statistics
import tempfile
import time

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
import bpe_differential  # noqa: E402
import corpora  # noqa: E402

from b4k3.tokenizers import load_tokenizer_json  # noqa: E402


def ours(path):
    tokenizer = load_tokenizer_json(path)
    return lambda texts: tokenizer.encode_batch(texts).ids


def hugging_face(path):
    import tokenizers

    encode = tokenizers.Tokenizer.from_file(path).encode_batch_fast
    return lambda texts: [encoding.ids for encoding in encode(texts)]


def tokie(path):
    import tokie

    encode = tokie.Tokenizer.from_json(path).encode_batch
    return lambda texts: [encoding.ids for encoding in encode(texts)]


def wordpiece(path, vocabulary):
    """Write the file of a BERT tokenizer in lower case."""
    import tokenizers

    tokenizer = tokenizers.BertWordPieceTokenizer(vocabulary, lowercase=True)
    tokenizer._tokenizer.post_processor = tokenizers.processors.TemplateProcessing(  # tokie knows no other
        single="[CLS] $A [SEP]", special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    tokenizer.save(path)


def unigram(path):
    """Train a unigram model as those of T5 and XLM-R are."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=16000, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(corpora.mixed()[::8], trainer)
    tokenizer.save(path)


def paths(folder, only):
    """{name: path of a tokenizer.json}; what the folder has already is kept."""
    os.makedirs(folder, exist_ok=True)
    made = {
        "wordpiece-zh": lambda path: wordpiece(path, corpora.chinese_vocabulary()),
        "wordpiece-en": lambda path: wordpiece(path, corpora.english_vocabulary()),
        "unigram": unigram,
    }
    found = {}
    for name in only:
        found[name] = path = os.path.join(folder, name + ".json")
        if not os.path.exists(path):
            made[name](path) if name in made else bpe_differential.train(folder)
    return found


def seconds(run, texts):
    gc.collect()
    start = time.process_time()
    result = run(texts)
    end = time.process_time()
    del result
    return end - start


def compare(name, path, corpus, texts, rounds):
    """Print a line."""
    makers = {"tokie": tokie, "tokenizers": hugging_face, "ours": ours}
    found = {maker: make(path)(texts) for maker, make in makers.items()}
    same = {
        maker: sum(list(a) == list(b) for a, b in zip(found[maker], found["tokenizers"])) / len(texts)
        for maker in makers
    }
    del found
    times = [{maker: seconds(make(path), texts) for maker, make in makers.items()} for _ in range(rounds)]
    parts = []
    for maker in ("tokie", "tokenizers"):
        ratios = sorted(time[maker] / time["ours"] for time in times)
        parts.append(f"ours/{maker} {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    millions = sum(map(len, texts)) / 1e6
    speeds = "  ".join(f"{maker} {millions / statistics.median(t[maker] for t in times):5.2f}" for maker in makers)
    print(f"{name:<13} {corpus:<8} {speeds} Mchar/s  {'  '.join(parts)}", end="  ")
    print(f"same: tokie {same['tokie']:.2%}, ours {same['ours']:.2%}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", type=int, default=1, help="take every N-th text")
    parser.add_argument("--models", default=os.path.join(tempfile.gettempdir(), "bpe-models"))
    parser.add_argument("--only", default="wordpiece-zh,wordpiece-en,gpt2,llama3,unigram")
    args = parser.parse_args()
    for name, path in paths(args.models, args.only.split(",")).items():
        for corpus in ("reviews", "english", "mixed"):
            if (name, corpus) in (("wordpiece-zh", "english"), ("wordpiece-en", "reviews")):
                continue
            texts = getattr(corpora, corpus)()[:: args.step]
            compare(name, path, corpus, texts, args.rounds)


if __name__ == "__main__":
    main()
