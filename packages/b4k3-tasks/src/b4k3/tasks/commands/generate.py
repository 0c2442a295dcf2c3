"""`b4k3 generate`: lines of text in, what follows on each or answers it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from ..batch import GenerateBatch
from .running import LINES, add_common_arguments, run_lines

if TYPE_CHECKING:
    import argparse

HELP = "read lines of text and write what follows on each of them, or answers it"
EXAMPLES = f"""examples:
  b4k3 generate Qwen3-0.6B prompts.txt --output answers.jsonl
  b4k3 generate chinese_t5_pegasus_small articles.jsonl --num-beams 4 --output titles.jsonl
  echo "Once upon a time" | b4k3 generate gpt2 --do-sample --top-p 0.9

A row is {{"id": …, "text": …}}, where the text does not begin with the text of the line.
{LINES}"""
OPTIONS = {
    "num_beams": (int, 1, "candidates of beam search"),
    "length_penalty": (float, None, "beam search ranks by the rule of transformers with this penalty"),
    "temperature": (float, 1.0, "for sampling: the scores are divided by it"),
    "top_k": (int, None, "for sampling: only the k best tokens are drawn"),
    "top_p": (float, None, "for sampling: only the fewest tokens with this joint probability are drawn"),
    "repetition_penalty": (float, 1.0, "above 1 it makes tokens less probable that were there before"),
    "min_new_tokens": (int, 0, "tokens that are generated at least"),
    "seed": (int, 0, "for sampling: the same seed and lines give the same answers"),
}


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add_common_arguments(add, ".jsonl", 8, 64)
    add("--application", choices=("lm", "unilm"), help="how a BERT, RoFormer or NEZHA is used")
    add("--max-new-tokens", type=int, default=64, help="tokens that are generated at most (default: %(default)s)")
    add("--stop", metavar="TEXT", action="append", default=[], help="an answer ends before this text; may be repeated")
    add("--end", metavar="TOKEN", action="append", help="a token that ends an answer (default: what the folder says)")
    add("--do-sample", action="store_true", help="draw tokens at random")
    for name, (kind, default, text) in OPTIONS.items():
        shown = "" if default is None else " (default: %(default)s)"
        add(f"--{name.replace('_', '-')}", type=kind, default=default, help=text + shown)


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
    names = ["application", "max_new_tokens", "stop", "end", "do_sample", *OPTIONS]
    same = {name: getattr(args, name) for name in names}
    options = dict(same, maxlen=args.maxlen, vocab=args.vocab, case=args.case, batch_size=args.batch_size)
    if args.do_sample:  # what is drawn for a line depends on the lines beside it
        same.update(batch_size=args.batch_size, window=args.window)
    return run_lines(args, out, _Generation(args.folder, **options), same)


class _Generation(GenerateBatch):
    """Continue or answer texts; a row has the answer as its text."""

    columns = {"text": str}

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Continue or answer texts.

        Arguments:
            texts: list of str.
            first: int. The number of texts before them. Batches draw other random numbers by it.

        Returns:
            list of dict.
        """
        return [{"text": row["answer"]} for row in super().answers(texts, first)]
