"""`b4k3 encode`: lines of text in, one vector for each out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from b4k3.models import ConfigError

from .running import LINES, add_common_arguments, run_lines

if TYPE_CHECKING:
    import argparse

HELP = "read lines of text and write a vector for each of them, as TextEncoder computes it"
EXAMPLES = f"""examples:
  b4k3 encode bge-small-zh-v1.5 lines.txt --output vectors.npy
  b4k3 encode chinese_L-12_H-768_A-12 lines.txt --pooling mean --normalize --output vectors.jsonl
  b4k3 encode multilingual-e5-small questions.jsonl --prompt "query: " > vectors.jsonl

A row of JSON is {{"id": …, "vector": […]}}. In a .npy the vector of a line that is wrong is NaN.
{LINES}"""


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add_common_arguments(add, ".npy (float32 [lines, d]) or .jsonl", 32, 1024)
    add(
        "--pooling",
        help="how a text gets one vector, if the folder does not say it: mean, cls, max and so on",
    )
    add("--normalize", action="store_true", help="divide each vector by its length: a dot product is a cosine")
    add("--prompt", help="a text that is put before each text")
    add("--prompt-name", metavar="NAME", help="the name of a prompt of the folder")


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
    from ..batch import EncodeBatch
    from ..sentence_modules import read_modules

    if args.prompt is not None and args.prompt_name is not None:
        raise ConfigError("give either --prompt or --prompt-name")
    modules = read_modules(args.folder) if os.path.isdir(args.folder) else None
    same = {name: getattr(args, name) for name in ("pooling", "normalize", "prompt", "prompt_name")}
    body = None if modules is None else modules.body
    task = EncodeBatch(
        args.folder, maxlen=args.maxlen, vocab=args.vocab, case=args.case, batch_size=args.batch_size, **same
    )
    return run_lines(args, out, task, same, body, npy=True)
