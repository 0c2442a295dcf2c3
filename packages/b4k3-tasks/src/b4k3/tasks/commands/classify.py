"""`b4k3 classify`: lines of text in, the label of each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from .lines import fragment, number_of
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
    same = {"threshold": args.threshold, "all_scores": args.all_scores}
    return run_lines(args, out, lambda: _Classification(args), same, pairs=True)


class _Classification:
    """Find the labels of texts."""

    size = 0

    def __init__(self, args: argparse.Namespace) -> None:
        from ..text_classifier import TextClassifier

        self.args = args
        self.classifier = TextClassifier.from_folder(args.folder, maxlen=args.maxlen, vocab=args.vocab, case=args.case)

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Return what a row of JSON says of each text."""
        return [fragment(self._answer(row)) for row in self.classifier.scores(texts, self.args.batch_size).tolist()]

    def _answer(self, row: list[float]) -> dict[str, Any]:
        """Return what a row of JSON says of a text with these scores."""
        labels, problem = self.classifier.labels, self.classifier.problem
        scores = [number_of(score) for score in row]
        if problem == "regression":
            return {"value": scores[0] if len(scores) == 1 else scores}
        if problem.startswith("multi"):
            chosen = [i for i, score in enumerate(row) if score >= self.args.threshold]
            answer: dict[str, Any] = {"labels": [labels[i] for i in chosen], "scores": [scores[i] for i in chosen]}
        else:
            best = row.index(max(row))
            answer = {"label": labels[best], "score": scores[best]}
        return dict(answer, all_scores=dict(zip(labels, scores))) if self.args.all_scores else answer
