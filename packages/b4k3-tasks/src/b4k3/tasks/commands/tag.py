"""`b4k3 tag`: lines of text in, the spans in each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .running import LINES, add_common_arguments, run_lines

if TYPE_CHECKING:
    import argparse

HELP = "read lines of text and write the spans that a tagger finds in each of them"
EXAMPLES = f"""examples:
  b4k3 tag my_tagger lines.txt --output spans.jsonl
  b4k3 tag my_tagger documents.jsonl > spans.jsonl

A row is {{"id": …, "spans": [{{"start": 3, "end": 6, "label": "LOC", "score": 0.99, "text": …}}]}}, where start and
end count characters.
{LINES}"""


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add_common_arguments(add, ".jsonl", 32, 1024)


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: an argument is wrong, or the interrupted run that is to be continued had other settings.
        CheckpointError: the checkpoint cannot be read.
        FileNotFoundError: there is no checkpoint or no vocabulary.
    """
    from ..batch import TagBatch

    task = TagBatch(args.folder, args.maxlen, args.vocab, args.case, args.batch_size)
    return run_lines(args, out, task, {})
