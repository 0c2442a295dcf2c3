"""Characters a second of byte-pair encoding: ours against tokenizers (Rust) and tiktoken, one thread, in paired rounds.

    python bpe_speed.py [--rounds 5] [--models FOLDER] [--only gpt2,llama3,llama2,qwen]

Each round loads the tokenizers anew, so that every cache is empty at the start of the corpus, and gives both the same
texts once; the ratio is that of the processor times of one round, and the median of the rounds is printed. All of them
end with Python lists of ids. See bpe_differential.py for the environment and the models.
"""

import argparse
import gc
import os
import statistics
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import bpe_differential  # noqa: E402
import corpora  # noqa: E402


def ours(path):
    from b4k3.tokenizers import BpeTokenizer, load_tokenizer_json

    tokenizer = BpeTokenizer.from_tiktoken(path, "qwen2") if path.endswith(".tiktoken") else load_tokenizer_json(path)
    return lambda texts: tokenizer.encode_batch(texts).ids


def hugging_face(path):
    import tokenizers

    encode = tokenizers.Tokenizer.from_file(path).encode_batch
    return lambda texts: [encoding.ids for encoding in encode(texts)]


def tiktoken(path):
    import tiktoken
    import tiktoken.load

    from b4k3.tokenizers._patterns import PATTERNS

    ranks = tiktoken.load.load_tiktoken_bpe(path)
    encoding = tiktoken.Encoding("x", pat_str=PATTERNS["qwen2"], mergeable_ranks=ranks, special_tokens={})
    return lambda texts: [encoding.encode_ordinary(text) for text in texts]


def seconds(make, path, texts):
    run = make(path)
    gc.collect()
    start = time.process_time()
    result = run(texts)
    end = time.process_time()
    del result
    return end - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default=os.path.join(tempfile.gettempdir(), "bpe-models"))
    parser.add_argument("--only", default="gpt2,llama3,llama2,qwen")
    args = parser.parse_args()
    os.makedirs(args.models, exist_ok=True)
    paths = bpe_differential.train(args.models)
    paths["qwen"] = os.path.join(corpora.folder("dashscope"), "resources", "qwen.tiktoken")
    for name in args.only.split(","):
        theirs = tiktoken if name == "qwen" else hugging_face
        for corpus in ("reviews", "english", "mixed"):
            texts = getattr(corpora, corpus)()
            pairs = [
                (seconds(theirs, paths[name], texts), seconds(ours, paths[name], texts)) for _ in range(args.rounds)
            ]
            ratios = sorted(other / mine for other, mine in pairs)
            speeds = [sum(map(len, texts)) / 1e6 / statistics.median(times) for times in zip(*pairs)]
            print(
                f"{name:<8} {corpus:<8} {theirs.__name__:<13} {speeds[0]:5.2f} Mchar/s  ours {speeds[1]:5.2f}  "
                f"ratio {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
