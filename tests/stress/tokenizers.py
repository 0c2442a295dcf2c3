"""Tokenizers in threads, in forked and spawned processes, over a million lines, and with a worker that is killed.

Each measurement is (what, figure, whether the promise holds). The promises are those of the README of b4k3-tokenizers.
"""

import itertools
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import threading
from concurrent.futures.process import BrokenProcessPool

from b4k3.snippets import parallel_apply
from b4k3.tokenizers import SentencePieceModel, SpTokenizer, Tokenizer
from b4k3.tokenizers._spm import CONTROL, NORMAL, UNKNOWN, encode_model

LETTERS = "abcdefghijklmnopqrstuvwxyz"
IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x5200)))
SPACE = "\u2581"
DIGITS = str.maketrans("0123456789", "ghijklmnop")
CACHE_LIMIT = 96  # MB that one tokenizer may take for its caches
FLAT = 8  # MB that it may take more in the second half of the lines


def tokenizers(cache_size=None):
    """{name: a tokenizer}, of small vocabularies."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *("##" + c for c in LETTERS), *IDEOGRAPHS]
    pieces = [("<unk>", 0.0, UNKNOWN), ("[CLS]", 0.0, CONTROL), ("[SEP]", 0.0, CONTROL), (SPACE, -2.0, NORMAL)]
    pieces += [(c, -3.0 - k / 1000, NORMAL) for k, c in enumerate(LETTERS + IDEOGRAPHS)]
    sizes = {} if cache_size is None else {"cache_size": cache_size}
    model = SentencePieceModel.from_bytes(encode_model(pieces, {"model_type": 1}, {}), **sizes)
    found = {
        "WordPiece": Tokenizer({t: i for i, t in enumerate(tokens)}, do_lower_case=True, **sizes),
        "recognise": Tokenizer({t: i for i, t in enumerate(tokens)}, special_tokens="recognise", **sizes),
        "SentencePiece": SpTokenizer(model),
    }
    found["recognise"].add_tokens(["<e>"], lstrip=True)
    return found


def lines(count, seed):
    """Lines that are all different, and so are most of their words."""
    for k in range(seed * count, (seed + 1) * count):
        word = f"{k * 2654435761 % (1 << 40):x}"
        yield f"{word.translate(DIGITS)} {word[:4]}<e>{IDEOGRAPHS[k % 1000] * 2} {k}{LETTERS[k % 20 :]}"


def in_threads(count, threads):
    """Is each answer of 16 threads on one tokenizer that of one thread?"""
    texts, wrong = list(lines(count, 0)), []
    for name, tokenizer in tokenizers(cache_size=200).items():
        want = tokenizer.encode_batch(texts).ids

        def run(seed, tokenizer=tokenizer, want=want, name=name):
            rng = random.Random(seed)
            for _ in range(3):
                order = rng.sample(range(len(texts)), len(texts) // 2)
                rows = tokenizer.encode_batch([texts[k] for k in order]).ids
                alone = [tokenizer.encode(texts[k])[0] for k in order]
                if rows != [want[k] for k in order] or alone != rows:
                    wrong.append(name)

        started = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    return f"{threads} threads on one tokenizer", f"{len(wrong)} of {9 * threads} answers differ", not wrong


def ids_of(task):
    """The ids of texts, in another process."""
    tokenizer, texts = task
    return tokenizer.encode_batch(texts).ids


def in_processes(method):
    """Are the ids of processes of a DataLoader (which are forked or spawned) those of this one?"""
    texts, same = list(lines(60, 1)), True
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        for tokenizer in tokenizers().values():
            tokenizer.encode(texts[0])  # its caches are not empty
            tasks = [(tokenizer, texts[k::2]) for k in range(2)]
            same = same and pool.map(ids_of, tasks) == [*map(ids_of, tasks)]
    return f"tokenizers in processes, {method}", "equal" if same else "other ids", same


class Texts:
    """A dataset as torch's DataLoader takes it."""

    def __init__(self, tokenizer, texts):
        self.tokenizer, self.texts = tokenizer, texts

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, k):
        return self.tokenizer.encode(self.texts[k])[0]


def in_a_data_loader(method):
    """The same in torch's own workers, where torch is installed."""
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return f"torch DataLoader, {method}", "torch is not installed", True
    texts, same = list(lines(64, 2)), True
    for tokenizer in tokenizers().values():
        loader = DataLoader(Texts(tokenizer, texts), 8, num_workers=2, collate_fn=list, multiprocessing_context=method)
        same = same and [row for rows in loader for row in rows] == [tokenizer.encode(text)[0] for text in texts]
    return f"torch DataLoader, {method}", "equal" if same else "other ids", same


def peak():
    """The most memory that this process had so far, in MB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def memory(count):
    """How much memory many different lines take, and how much of that came with the last half."""
    found = []
    for name, tokenizer in tokenizers().items():
        sizes = [peak()]
        for half in range(2):
            texts = lines(count // 2, half)
            for block in iter(lambda texts=texts: list(itertools.islice(texts, 1000)), []):
                _ = tokenizer.encode_batch(block).ids
            sizes.append(peak())
        grown, later = sizes[2] - sizes[0], sizes[2] - sizes[1]
        figure = f"{grown:.0f} MB for {count} lines, {later:.0f} MB of them in the last half"
        found.append((f"memory, {name}", figure, grown < CACHE_LIMIT and later < FLAT))
    return found


def kills_itself(item):
    """A worker that is killed with one of its items."""
    if item == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def killed():
    """Does a killed worker end in an error, soon?"""
    outcome = []

    def run():
        try:
            outcome.append(parallel_apply(kills_itself, range(40), 3, 6))
        except Exception as e:
            outcome.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(120)
    figure = repr(outcome[0])[:60] if outcome else "hangs"
    return "parallel_apply, a worker killed -9", figure, bool(outcome) and isinstance(outcome[0], BrokenProcessPool)


def pickles():
    """Pickled tokenizers leave their caches behind."""
    size = 0
    for tokenizer in tokenizers().values():
        before = len(pickle.dumps(tokenizer))
        _ = tokenizer.encode_batch(list(lines(2000, 3))).ids
        size = max(size, len(pickle.dumps(tokenizer)) - before)
    return "a pickled tokenizer after 2,000 lines", f"{size} bytes more", size == 0


def measure(short: bool) -> list:
    """All measurements; the short form takes seconds.

    Arguments:
        short: bool. Fewer lines.

    Returns:
        (what was measured, the figure, whether the promise holds)[].
    """
    methods = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]
    found = [in_threads(60 if short else 3000, 16), pickles(), killed()]
    found += [in_processes(method) for method in methods[: 1 if short else 2]]
    if not short:
        found += [in_a_data_loader(method) for method in methods]
    return found + memory(6000 if short else 1000000)


if __name__ == "__main__":
    for row in measure(short=False):
        print(*row, sep=" | ")
