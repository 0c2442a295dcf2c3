"""`b4k3 features`: lines of text in, one vector for each out."""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

import numpy as np

from b4k3.backend._progress import ProgressBar

from ..batching import by_length, padded_length, rows_at_once
from ..errors import ConfigError
from .engines import add_engine_arguments, engine_of
from .fingerprints import settings
from .subject import Subject
from .text_input import compare_vocabulary, need_vocabulary, open_lines, open_tokenizer
from .vectors import Jsonl, writer_class

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from .vectors import OutputFile

EXAMPLES = """examples:
  b4k3 features chinese_L-12_H-768_A-12 --output vectors.npy < lines.txt
  b4k3 features bert-chinese lines.txt --pooling mean --output vectors.jsonl
  head lines.txt | b4k3 features electra_small > vectors.jsonl

Row i of the output belongs to line i, an empty line included. Lines are read as they come, a window at a time, and
batched by length within it. The rows are in OUTPUT.part until all are done. If the command is interrupted, the same
command on the same lines continues that file. The weights, the config, the vocabulary and the settings must have the
same content as before, under whatever names; --restart begins anew.

exit codes: 0 done, 1 wrong input; what was finished is kept in OUTPUT.part
"""
POOLINGS = ("cls", "mean", "max", "pooler")


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("path", help="a checkpoint with its config; its vocabulary is found beside it")
    add("file", nargs="?", default="-", help="UTF-8 text, a line each; standard input if not given")
    add(
        "--output",
        metavar="FILE",
        help=".npy (float32 [lines, d]) or .jsonl; JSON lines to standard output if not given",
    )
    add("--pooling", choices=POOLINGS, default="cls", help="how a line gets one vector (default: cls, its first token)")
    add("--normalize", action="store_true", help="divide each vector by its length: a dot product is a cosine")
    add("--maxlen", type=int, default=128, help="cut lines at so many tokens (default: %(default)s)")
    add("--batch-size", type=int, default=32, help="lines that are computed together (default: %(default)s)")
    add("--window", type=int, default=1024, help="lines that are sorted by length together (default: %(default)s)")
    add("--vocab", metavar="FILE", help="vocabulary, if it is not beside the checkpoint")
    add(
        "--case",
        choices=("auto", "lower", "keep"),
        default="auto",
        help="lower-case the lines for a vocab.txt (default: auto, which does so unless its tokens have capitals)",
    )
    add("--config", metavar="FILE", help="configuration, if it is not beside the checkpoint")
    add("--model", help="architecture, if it is not to be recognised")
    add("--restart", action="store_true", help="begin anew, whatever is in OUTPUT.part")
    add("--quiet", action="store_true", help="no progress on standard error")
    add_engine_arguments(add)


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: the command line contradicts itself, the text cannot be read, or the interrupted run that is to be
            continued had other settings.
        CheckpointError: the checkpoint cannot be read.
        FileNotFoundError: there is no vocabulary.
        ImportError: b4k3-tokenizers is not installed.
    """
    for name in ("batch_size", "window", "maxlen"):
        if getattr(args, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(args, name)}, expected 1 or more")
    source = Subject(args.path, args.config, args.model).require()
    maxlen = min(args.maxlen, source.longest or args.maxlen)
    path = need_vocabulary(source, args.vocab)
    engine = engine_of(args)
    if engine is not None:
        return engine(args, TextVectors(args), lambda: _settings(args, source, path, maxlen))
    _check_output(args, path)
    tokenizer = open_tokenizer(path, args.case)
    note = compare_vocabulary(tokenizer, path, source)
    if note:
        sys.stderr.write(f"note: {note}\n")
    with open_lines(args.file) as lines:
        with _open_rows(args, out, source, path, maxlen) as output:
            output.skip(lines)
            begin, before = time.monotonic(), output.rows
            if before and not args.quiet:
                sys.stderr.write(f"going on after {before} lines\n")
            model = Model(source, args.pooling, args.batch_size)
            with ProgressBar(unit="lines", shown=not args.quiet) as bar:
                for texts in _windows(lines, args.window):
                    stripped = [text.rstrip("\r\n") for text in texts]
                    ids = tokenizer.encode_batch(stripped, maxlen=maxlen, padding=False).ids
                    vectors = model.vectors(ids)
                    output.add(normalized(vectors) if args.normalize else vectors, texts)
                    bar.show(output.rows)
            if not args.quiet:
                rate = (output.rows - before) / max(time.monotonic() - begin, 1e-6)
                sys.stderr.write(f"{output.rows} lines, {rate:.0f} a second\n")
            output.finish(model.size)
    return 0


def _check_output(args: argparse.Namespace, vocabulary: str) -> None:
    """Raise ConfigError if the output is a file that the command reads."""
    for read in (args.file, vocabulary, args.config):
        if args.output and read not in (None, "-") and os.path.exists(args.output) and os.path.exists(read):
            if os.path.samefile(read, args.output):
                raise ConfigError(f"--output {args.output} is {read}, which is read; name another")


def _open_rows(
    args: argparse.Namespace, out: Callable[[str], Any], source: Subject, vocabulary: str, maxlen: int
) -> Jsonl | OutputFile:
    """Open standard output for the rows, or a file that an interrupted run may have begun."""
    if not args.output:
        return Jsonl(out)
    writer = writer_class(args.output)  # refuses a wrong suffix before `settings` reads the whole checkpoint
    return writer(args.output, _settings(args, source, vocabulary, maxlen), args.restart)


def _settings(args: argparse.Namespace, source: Subject, vocabulary: str, maxlen: int) -> dict[str, Any]:
    """Collect what an interrupted run must share with one that continues it."""
    same = {"pooling": args.pooling, "maxlen": maxlen, "case": args.case, "normalize": args.normalize}
    return settings(source, vocabulary, **same)


def _windows(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield lists of `size` lines; the last one may have fewer."""
    while True:
        texts = list(islice(lines, size))
        if not texts:
            return
        yield texts


class TextVectors:
    """What an engine computes: the vector of each text. The model is opened by the first texts, and not pickled.

    Arguments:
        args: the parsed command line.

    Attributes:
        columns: dict from the key of an answer to the type of its value.

    Example:
        >>> import argparse, pickle
        >>> from b4k3.models.cli.features import TextVectors
        >>> args = argparse.Namespace(path="bert", config=None, model=None, vocab=None, case="auto", pooling="cls",
        ...                           maxlen=128, batch_size=32, normalize=False)
        >>> pickle.loads(pickle.dumps(TextVectors(args))).columns
        {'vector': [<class 'numpy.float32'>]}
    """

    columns = {"vector": [np.float32]}

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self._model, self._tokenizer = args, None, None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the model, and what another process or folder cannot know."""
        args = {name: value for name, value in vars(self.args).items() if name != "run"}
        for name in ("path", "config", "vocab"):
            args[name] = args[name] and os.path.abspath(args[name])
        return {"args": type(self.args)(**args), "_model": None, "_tokenizer": None}

    def open(self) -> None:
        """Open the network and its vocabulary, unless they are open.

        Raises:
            ConfigError: the network has no pooler and pooling is "pooler", or the vocabulary is another's.
            CheckpointError: the checkpoint does not fit the network.
        """
        if self._model is None:
            source = Subject(self.args.path, self.args.config, self.args.model).require()
            self._maxlen = min(self.args.maxlen, source.longest or self.args.maxlen)
            path = need_vocabulary(source, self.args.vocab)
            self._tokenizer = open_tokenizer(path, self.args.case)
            compare_vocabulary(self._tokenizer, path, source)
            self._model = Model(source, self.args.pooling, self.args.batch_size)

    @property
    def size(self) -> int:
        """The number of numbers in a vector. It opens the model."""
        self.open()
        return self._model.size

    def answers(self, texts: list[str], first: int) -> NDArray[np.float32]:
        """Compute the vectors of texts.

        Arguments:
            texts: list of str.
            first: int. Not used: a vector does not depend on the texts before it.

        Returns:
            float32 array, [texts, size].

        Raises:
            ConfigError: the vocabulary and the checkpoint do not belong together.
        """
        self.open()
        vectors = self._model.vectors(self._tokenizer.encode_batch(texts, maxlen=self._maxlen, padding=False).ids)
        return normalized(vectors) if self.args.normalize else vectors


class Model:
    """A network that turns each row of ids into one vector.

    Arguments:
        source: `Subject`. The checkpoint from which the network is built.
        pooling: str. How a row of vectors becomes one vector, one of `POOLINGS`: the vector of the first token ("cls"),
            the mean or the maximum over the tokens, or the output of the pooler.
        batch_size: int. The largest number of rows that go through the network together.

    Attributes:
        size: int. The number of numbers in a vector.

    Raises:
        ConfigError: the network has no pooler and pooling is "pooler", or its configuration is wrong.
        CheckpointError: the checkpoint does not fit the network.

    Example:
        >>> from b4k3.models import BERT
        >>> from b4k3.models.cli.features import Model
        >>> from b4k3.models.cli.subject import Subject
        >>> bert = BERT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=16, hidden_act="gelu")
        >>> bert.build()
        >>> subject = Subject(bert.checkpoint_variables(), {"num_attention_heads": 2, "hidden_act": "gelu"})
        >>> vectors = Model(subject, "mean", batch_size=2).vectors([[2, 5, 3], [2, 3], [2, 7, 8, 9, 3]])  # [3, 8]
        >>> vectors.shape
        (3, 8)
    """

    def __init__(self, source: Subject, pooling: str, batch_size: int) -> None:
        from b4k3.backend import largest_batch

        from ..builder import build_transformer_model
        from ..predictor import Predictor

        heads = {"with_pool": True} if pooling == "pooler" else {}
        self.model = build_transformer_model(**dict(source.arguments, **heads))
        self.predictor = Predictor(self.model)
        self.pooling, self.batch_size, self.most_tokens = pooling, batch_size, largest_batch()
        # Where no id is padding, any id can fill the rows up: it comes after the tokens and is not looked at.
        self.padding_id = max(source.all_sizes["pad_token_id"], 0)
        self.size = int(self.model.outputs[0].shape[-1])
        self.vocab_size = source.all_sizes["vocab_size"]

    def vectors(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Compute the vectors. Rows of similar length go through the network together.

        Arguments:
            rows: list of lists of int. The ids, without padding.

        Returns:
            float32 array, [len(rows), size].

        Raises:
            ConfigError: the table of embeddings has no row for an id.
        """
        from b4k3.backend import misfit

        for row in rows:
            problem = misfit(row, 0, self.vocab_size - 1)
            if problem is not None:
                raise ConfigError(f"token {problem}: the vocabulary and the checkpoint do not belong together")
        result = np.zeros((len(rows), self.size), dtype="float32")
        for chosen in by_length([len(row) for row in rows], self.batch_size, self.most_tokens):
            result[chosen] = self._batch([rows[i] for i in chosen])
        return result

    def _batch(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Compute the vectors of the rows of a batch.

        Where a network is compiled for each shape, rows of one token fill the batch up, so that each length has one
        shape only.
        """
        from b4k3.backend import runs_eagerly

        length = padded_length(max(map(len, rows)))
        height = len(rows) if runs_eagerly else rows_at_once(length, self.batch_size, self.most_tokens)
        ids = np.full((height, length), self.padding_id, dtype="int32")
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        ids[len(rows) :, 0] = 0 if self.padding_id else 1  # an id that is not padding
        lengths = [len(row) for row in rows] + [1] * (len(ids) - len(rows))
        mask = np.arange(length) < np.array(lengths)[:, None]
        inputs = [ids] + [np.zeros_like(ids)] * (len(self.model.inputs) - 1)
        hidden = np.asarray(self.predictor(inputs if len(inputs) > 1 else ids), dtype="float32")
        return pooled(hidden, mask, self.pooling)[: len(rows)]


def pooled(hidden: NDArray[np.float32], mask: NDArray[np.bool_], pooling: str) -> NDArray[np.float32]:
    """Turn the vectors of the tokens of each row into one vector.

    Arguments:
        hidden: float32, [batch, n, d]. The last block; for "pooler", what the pooler gives, [batch, d].
        mask: bool, [batch, n]. False at the padding.
        pooling: str. One of `POOLINGS`.

    Returns:
        float32 array, [batch, d].
    """
    if pooling == "pooler":
        return hidden
    if pooling == "cls":
        return hidden[:, 0]
    mask = mask[..., None]
    if pooling == "max":
        return np.where(mask, hidden, -np.inf).max(axis=1)
    return (hidden * mask).sum(axis=1) / mask.sum(axis=1)


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each vector by its Euclidean length; a vector of zeros stays as it is.

    Arguments:
        vectors: float32, [n, d].

    Returns:
        float32 array, [n, d].
    """
    lengths = np.sqrt(np.square(vectors, dtype="float64").sum(axis=1, keepdims=True))
    return (vectors / np.where(lengths == 0, 1, lengths)).astype("float32")
