"""Many texts on several processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

_tokenizer = None


def map_in_processes(tokenizer, method, texts, workers):
    """`getattr(tokenizer, method)(texts)`, the texts shared out to `workers` processes.

    Where processes can be forked the tokenizer need not be picklable (`pre_tokenize` may be a lambda); an error in a
    process is raised here.
    """
    forked = "fork" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if forked else None)
    size = max(1, min(2000, -(-len(texts) // workers)))
    parts = [texts[i : i + size] for i in range(0, len(texts), size)]
    with ProcessPoolExecutor(workers, context, _set_tokenizer, (tokenizer,)) as pool:
        return [row for rows in pool.map(_call, [method] * len(parts), parts) for row in rows]


def _set_tokenizer(tokenizer):
    global _tokenizer
    _tokenizer = tokenizer


def _call(method, texts):
    return getattr(_tokenizer, method)(texts)
