"""`b4k3`, or `python -m b4k3.models`: look into checkpoints, convert and compare them, and use them on lines of text.

A command is a module of this package with EXAMPLES, `add_arguments(add)` and `run(args, out)`, which returns the exit
code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from typing import Any

from ..__about__ import __version__

# command -> what it does
COMMANDS = {
    "inspect": "show what a checkpoint is, what is in it, and what of it would load",
    "convert": "write a checkpoint under other names or in another container, with its config and vocabulary",
    "verify": "check whether a checkpoint is whole, and whether two checkpoints hold and compute the same",
    "features": "read lines of text and write a vector for each of them",
}
_DESCRIPTION = "Look into checkpoints, convert and compare them, and use them on lines of text."
_EPILOG = """Each command explains itself and gives examples: b4k3 inspect --help

exit codes: 0 done; 1 wrong input, said in one line on standard error; 2 wrong command line;
3 the input was read, and the answer is no: it would not load, or it differs; 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line.

    Returns:
        `argparse.ArgumentParser`.
    """
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="b4k3", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"b4k3-models {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS.items():
        module = importlib.import_module("." + name, __name__)
        sentence = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(
            name, help=text, description=sentence, epilog=module.EXAMPLES, formatter_class=raw
        )
        module.add_arguments(command.add_argument)
        command.set_defaults(run=module.run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Arguments:
        argv: list of str. The arguments without the program's name; None takes the arguments of the process.

    Returns:
        int, the exit code; the help says what each means.
    """
    top = parser()
    args = top.parse_args(argv)
    if args.command is None:
        top.print_help()
        return 2
    out = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False, newline="\n")
    try:
        with out, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=UserWarning, module=r"b4k3\.")
            warnings.showwarning = show_note
            return args.run(args, lambda line: out.write(line + "\n"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has closed the pipe, as `head` does
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as e:
        print(f"error: {' '.join(said(e).split())}", file=sys.stderr)
        return 1


def said(error: BaseException) -> str:
    """Return what an error says, without the number that the system gives it.

    Arguments:
        error: the error.

    Returns:
        str, '/no/such/file: No such file or directory' for instance.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error)


def show_note(message: Any, *where: Any) -> None:
    """Write a warning of b4k3 as one line.

    Arguments:
        message: the warning.
        where: the category and the place of the warning, which are not shown.
    """
    print(f"note: {message}", file=sys.stderr)
