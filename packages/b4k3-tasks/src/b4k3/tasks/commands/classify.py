"""`b4k3 classify`: lines of text in, the label of each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .running import LINES, add_common_arguments, run_lines

if TYPE_CHECKING:
    import argparse

HELP = "read lines of text, or pairs of texts, and write the label of each of them"
EXAMPLES = f"""examples:
  b4k3 classify my_classifier lines.txt --output labels.jsonl
  b4k3 classify my_classifier pairs.jsonl --all-scores > labels.jsonl

A line of JSON may have a second text, {{"id": …, "text": …, "text_pair": …}}. A row is
{{"id": …, "label": …, "score": …}}; for any number of labels {{"id": …, "labels": […], "scores": […]}}; and for a
regression {{"id": …, "value": …}}.
{LINES}"""


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add_common_arguments(add, ".jsonl", 32, 1024)
    add("--threshold", type=float, default=0.5, help="score of a label that a text has, for any number of labels")
    add("--all-scores", action="store_true", help="also the scores of all labels, as all_scores")


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
    from ..batch import ClassifyBatch

    same = {"threshold": args.threshold, "all_scores": args.all_scores}
    task = ClassifyBatch(
        args.folder, args.threshold, args.all_scores, args.maxlen, args.vocab, args.case, args.batch_size
    )
    return run_lines(args, out, task, same, pairs=True)
