"""What the commands share: their arguments, and the way from lines to rows, window by window."""

from __future__ import annotations

import os
import sys
import time
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Iterator

from b4k3.backend._progress import ProgressBar
from b4k3.models import ConfigError
from b4k3.models.checkpoints._files import is_regular
from b4k3.models.cli.engines import add_engine_arguments, engine_of
from b4k3.models.cli.fingerprints import digest, digest_of_file, settings
from b4k3.models.cli.subject import Subject
from b4k3.models.cli.text_input import need_vocabulary

from ..__about__ import __version__
from .answering import Notes, answer_window
from .lines import FORMATS, Line, open_lines
from .rows import PrintedRows, Rows, refuse_inputs, rows_class

if TYPE_CHECKING:
    import argparse

    from .answering import LineTask

WRONG = 3  # the exit code if lines were wrong
SHOWN = 10  # how many wrong lines are written to standard error
LINES = """Row i of the output belongs to line i. A line is a text, or with --format json a JSON object,
{"id": …, "text": …}, whose id the row keeps. A line that is wrong gets a row that says so, {"line": 7, "error": …}. The
rows are in OUTPUT.part until all are done. If the command is interrupted, the same command on the same lines continues
that file; --restart begins anew.

exit codes: 0 done; 1 wrong input, what was finished is kept in OUTPUT.part; 3 done, and some lines are wrong
"""


def add_common_arguments(add: Callable[..., Any], suffixes: str, batch_size: int, window: int) -> None:
    """Declare the arguments that all commands have.

    Arguments:
        add: the method `add_argument` of a parser.
        suffixes: str. The suffixes of the output, as the help names them.
        batch_size: int. The default.
        window: int. The default.
    """
    add("folder", help="a folder with a checkpoint, its config and its vocabulary, or a checkpoint beside these")
    add("file", nargs="?", default="-", help="UTF-8 lines; standard input if not given")
    add("--output", metavar="FILE", help=f"{suffixes}; JSON lines to standard output if not given")
    add(
        "--format",
        choices=FORMATS,
        default="auto",
        help="what a line is: a text, or a JSON object with a text (default: auto, which is json for .jsonl)",
    )
    add("--maxlen", type=int, help="cut texts at so many tokens (default: what the folder says)")
    add("--batch-size", type=int, default=batch_size, help="texts that are computed together (default: %(default)s)")
    add(
        "--window",
        type=int,
        default=window,
        help="lines that are sorted by length together, and lost at most by an interruption (default: %(default)s)",
    )
    add("--vocab", metavar="FILE", help="vocabulary, if it is not in the folder")
    add(
        "--case",
        choices=("auto", "lower", "keep"),
        default="auto",
        help="lower-case the texts for a vocab.txt (default: auto, which asks tokenizer_config.json, and otherwise "
        "does so unless the vocabulary has capitals)",
    )
    add("--restart", action="store_true", help="begin anew, whatever is in OUTPUT.part")
    add("--quiet", action="store_true", help="no progress on standard error")
    add_engine_arguments(add)


def run_lines(
    args: argparse.Namespace,
    out: Callable[[str], Any],
    task: LineTask,
    same: dict[str, Any],
    body: str | None = None,
    pairs: bool = False,
    npy: bool = False,
) -> int:
    """Answer line by line.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.
        task: `LineTask`, which opens the folder when the settings of an interrupted run are known to fit.
        same: dict. The arguments that change answers; an interrupted run must have had the same.
        body: str or None. The folder of the checkpoint; None is `args.folder`.
        pairs: bool. Whether a line may have two texts.
        npy: bool. Whether the output may be .npy.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: an argument is wrong, the input cannot be read, or the interrupted run had other settings.
    """
    for name in ("batch_size", "window", "maxlen"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(args, name)}, expected 1 or more")
    same = dict(same, maxlen=args.maxlen, case=args.case, format=args.format)
    engine = engine_of(args)
    if engine is not None:
        return engine(args, task, lambda: _settings(args, body or args.folder, same), pairs)
    kind = rows_class(args.output, npy)
    refuse_inputs(args.output, [None if args.file == "-" else args.file, args.vocab])
    with open_lines(args.file, args.format, pairs) as lines:
        rows: Rows = PrintedRows(out)
        if kind is not None:
            rows = kind(args.output, _settings(args, body or args.folder, same), args.restart)
        with rows:
            rows.skip(line.raw for line in lines)
            if rows.rows and not args.quiet:
                sys.stderr.write(f"going on after {rows.rows} lines\n")
            task.open()
            _answer(lines, rows, task, args.window, args.quiet)
    if rows.wrong:
        sys.stderr.write(f"{rows.wrong} of {rows.rows} lines are wrong; their rows say why\n")
    return WRONG if rows.wrong else 0


def _settings(args: argparse.Namespace, body: str, same: dict[str, Any]) -> dict[str, Any]:
    """Collect what an interrupted run must share with one that continues it."""
    subject = Subject(os.fspath(body)).require()
    own = os.path.join(subject.folder, "tokenizer.json")
    vocabulary = need_vocabulary(subject, args.vocab or (own if is_regular(own) else None))
    return settings(subject, vocabulary, **same, tasks=__version__, files=_digest_of_files(args.folder))


def _digest_of_files(folder: str) -> str:
    """Return a digest of what lies beside the checkpoint: files of JSON, and the modules of sentence-transformers."""
    found = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if path == folder and name[:1].isdigit())
        for name in sorted(names):
            file = os.path.join(path, name)
            if (path != folder or name.endswith(".json")) and not name.endswith(".part.json") and is_regular(file):
                found.append([os.path.relpath(file, folder), digest_of_file(file)])
    return digest(repr(found).encode("utf-8"))


def _answer(lines: Iterator[Line], rows: Rows, task: LineTask, window: int, quiet: bool) -> None:
    """Answer the lines window by window."""
    begin, before, notes = time.monotonic(), rows.rows, Notes()
    with ProgressBar(unit="lines", shown=not quiet) as bar:
        while True:
            chosen = list(islice(lines, window))
            if not chosen:
                break
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                chosen, answers = answer_window(chosen, task, rows.rows)
            notes.add(caught)
            shown = [line for line in chosen if line.error][: max(SHOWN - rows.wrong, 0)]
            for line in shown:
                sys.stderr.write(f"line {line.number}: {line.error}\n")
            rows.add_lines(chosen, answers)
            bar.show(rows.rows)
    notes.write()
    if not quiet:
        rate = (rows.rows - before) / max(time.monotonic() - begin, 1e-6)
        sys.stderr.write(f"{rows.rows} lines, {rate:.0f} a second\n")
    rows.end(task.size)
