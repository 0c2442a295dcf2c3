"""`b4k3 features`: lines of text in, one vector for each out."""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from typing import Any

import numpy as np

from ..errors import ConfigError
from .fingerprints import settings
from .subject import Subject
from .text import compare_vocabulary, need_vocabulary, open_lines, open_tokenizer
from .vectors import Jsonl, writer_class

EXAMPLES = """examples:
  b4k3 features chinese_L-12_H-768_A-12 --output vectors.npy < lines.txt
  b4k3 features bert-chinese lines.txt --pooling mean --output vectors.jsonl
  head lines.txt | b4k3 features electra_small > vectors.jsonl

Row i of the output belongs to line i, an empty line included. Lines are read as they come, a window at a time, and
batched by length within it. If it is interrupted, the same command on the same lines goes on where it stopped:
the rows so far are in OUTPUT.part, which gets its name when all are done. It goes on only with the same weights,
config, vocabulary and settings, by content and not by name; --restart begins anew.

exit codes: 0 done, 1 wrong input; what was finished is kept in OUTPUT.part
"""
POOLINGS = ("cls", "mean", "max", "pooler")


def add_arguments(add):
    add("path", help="a checkpoint with its config; its vocabulary is found beside it")
    add("file", nargs="?", default="-", help="UTF-8 text, a line each; standard input if not given")
    add(
        "--output",
        metavar="FILE",
        help=".npy (float32 [lines, d]) or .jsonl; JSON lines to standard output if not given",
    )
    add("--pooling", choices=POOLINGS, default="cls", help="of the last block (default: %(default)s, the first token)")
    add("--normalize", action="store_true", help="divide each vector by its length: a dot product is a cosine")
    add("--maxlen", type=int, default=128, help="at most so many tokens of a line (default: %(default)s)")
    add("--batch-size", type=int, default=32, help="rows at a time (default: %(default)s)")
    add("--window", type=int, default=1024, help="lines that are sorted by length together (default: %(default)s)")
    add("--vocab", metavar="FILE", help="vocabulary, if it is not beside the checkpoint")
    add("--case", choices=("auto", "lower", "keep"), default="auto", help="of a vocab.txt (default: by its tokens)")
    add("--config", metavar="FILE", help="configuration, if it is not beside the checkpoint")
    add("--model", help="architecture, if it is not to be recognised")
    add("--restart", action="store_true", help="begin anew, whatever is in OUTPUT.part")
    add("--quiet", action="store_true", help="no progress on standard error")


def run(args, out):
    for name in ("batch_size", "window", "maxlen"):
        if getattr(args, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(args, name)}, expected 1 or more")
    source = Subject(args.path, args.config, args.model).require()
    maxlen = min(args.maxlen, source.longest or args.maxlen)
    path = need_vocabulary(source, args.vocab)
    check_output(args, path)
    tokenizer = open_tokenizer(path, args.case)
    note = compare_vocabulary(tokenizer, path, source)
    if note:
        sys.stderr.write(f"note: {note}\n")
    with open_lines(args.file) as lines:
        with open_rows(args, out, source, path, maxlen) as output:
            output.skip(lines)
            progress = Progress(output.rows, args.quiet)
            model = Model(source, args.pooling, args.batch_size)
            for texts in windows(lines, args.window):
                ids = tokenizer.encode_batch([text.rstrip("\r\n") for text in texts], maxlen=maxlen, padding=False).ids
                vectors = model.vectors(ids)
                output.add(normalized(vectors) if args.normalize else vectors, texts)
                progress.show(output.rows)
            progress.finish(output.rows)
            output.finish(model.size)
    return 0


def check_output(args: Any, vocabulary: str) -> None:
    """Raise ConfigError if the output is a file that is read."""
    for read in (args.file, vocabulary, args.config):
        if args.output and read not in (None, "-") and os.path.exists(args.output) and os.path.exists(read):
            if os.path.samefile(read, args.output):
                raise ConfigError(f"--output {args.output} is {read}, which is read; name another")


def open_rows(args: Any, out: Any, source: Subject, vocabulary: str, maxlen: int) -> Any:
    """Return the writer of the rows: to standard output, or to a file that an interrupted run may have begun."""
    if not args.output:
        return Jsonl(out)
    writer = writer_class(args.output)  # a wrong suffix is told before the checkpoint is read
    same = {"pooling": args.pooling, "maxlen": maxlen, "case": args.case, "normalize": args.normalize}
    return writer(args.output, settings(source, vocabulary, **same), args.restart)


def windows(lines, size):
    """Lists of at most `size` lines."""
    while True:
        texts = list(islice(lines, size))
        if not texts:
            return
        yield texts


class Model:
    """A network that gives one vector for a row of ids.

    Arguments:
        source: `Subject`.
        pooling: one of POOLINGS.
        batch_size: int.
    """

    def __init__(self, source, pooling, batch_size):
        from ..builder import build_transformer_model
        from ..predictor import Predictor

        heads = {"with_pool": True} if pooling == "pooler" else {}
        self.model = build_transformer_model(**dict(source.arguments, **heads))
        self.predictor = Predictor(self.model)
        self.pooling, self.batch_size = pooling, batch_size
        self.padding_id = max(source.all_sizes["pad_token_id"], 0)  # where no id is padding, any will do: it comes last
        self.size = int(self.model.outputs[0].shape[-1])
        self.vocab_size = source.all_sizes["vocab_size"]

    def vectors(self, rows):
        """float32 [len(rows), d] of lists of ids: those of similar length go through the network together.

        Raises: ConfigError: an id that the network has no row for.
        """
        from b4k3.backend import misfit

        for row in rows:
            problem = misfit(row, 0, self.vocab_size - 1)
            if problem is not None:
                raise ConfigError(f"token {problem}: the vocabulary and the checkpoint do not belong together")
        result = np.zeros((len(rows), self.size), dtype="float32")
        order = sorted(range(len(rows)), key=lambda i: rounded(len(rows[i])))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            result[chosen] = self.batch([rows[i] for i in chosen])
        return result

    def batch(self, rows):
        # A compiled network is compiled anew for each shape, so there are few; rows that are not there are one token.
        shape = (self.batch_size, rounded(max(map(len, rows))))
        ids = np.full(shape, self.padding_id, dtype="int32")
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        ids[len(rows) :, 0] = 0 if self.padding_id else 1  # any id that is not padding
        lengths = [len(row) for row in rows] + [1] * (len(ids) - len(rows))
        mask = np.arange(shape[1]) < np.array(lengths)[:, None]
        inputs = [ids] + [np.zeros_like(ids)] * (len(self.model.inputs) - 1)
        hidden = np.asarray(self.predictor(inputs if len(inputs) > 1 else ids), dtype="float32")
        return pooled(hidden, mask, self.pooling)[: len(rows)]


def rounded(n):
    """The next of 8, 12, 16, 24, 32, 48, 64, …"""
    size = 8
    while size < n:
        if 2 * n <= 3 * size:
            return 3 * size // 2
        size *= 2
    return size


def pooled(hidden, mask, pooling):
    """[batch, d] of [batch, n, d] and bool [batch, n]; what the pooler gives stays as it is."""
    if pooling == "pooler":
        return hidden
    if pooling == "cls":
        return hidden[:, 0]
    mask = mask[..., None]
    if pooling == "max":
        return np.where(mask, hidden, -np.inf).max(axis=1)
    return (hidden * mask).sum(axis=1) / mask.sum(axis=1)


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Divide each row of [n, d] by its Euclidean length; a row of zeros stays as it is."""
    lengths = np.sqrt(np.square(vectors, dtype="float64").sum(axis=1, keepdims=True))
    return (vectors / np.where(lengths == 0, 1, lengths)).astype("float32")


class Progress:
    """Lines done and lines per second, on standard error, at most once a second."""

    def __init__(self, done, quiet):
        self.begin, self.before, self.quiet, self.shown = time.time(), done, quiet, time.time()
        if done and not quiet:
            sys.stderr.write("going on after %d lines\n" % done)

    def show(self, done):
        now = time.time()
        if not self.quiet and now - self.shown >= 1:
            self.shown = now
            self.line(done)

    def line(self, done, end=""):
        rate = (done - self.before) / max(time.time() - self.begin, 1e-6)
        start, end = ("\r", end) if sys.stderr.isatty() else ("", "\n")
        sys.stderr.write("%s%d lines, %.0f a second%s" % (start, done, rate, end))
        sys.stderr.flush()

    def finish(self, done):
        if not self.quiet:
            self.line(done, "\n")
