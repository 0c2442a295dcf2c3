"""Rows of ranks with a data set of Hugging Face, encoded by our tokenizers in two processes."""

import datasets

from b4k3.snippets import DistributedSampler
from b4k3.tokenizers import Tokenizer

LETTERS = "abcdefghijklm"


def test_rows_of_ranks_in_two_processes():
    tokenizer = Tokenizer({token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS])})
    texts = [f"{a} {b}" for a, b in zip(LETTERS, LETTERS[1:] + "a")]
    data = datasets.Dataset.from_dict({"text": texts})
    found = []
    for rank in range(2):
        sampler = DistributedSampler(data, num_replicas=2, rank=rank, seed=7)
        own = data.select(sampler.indices)
        mapped = own.map(lambda row: {"ids": tokenizer.encode(row["text"])[0]}, num_proc=2)
        assert mapped["ids"][:] == [list(tokenizer.encode(texts[i])[0]) for i in sampler]
        found += [text for text, weight in zip(mapped["text"], sampler.weights) if weight]
    assert sorted(found) == sorted(texts)
