"""`b4k3`, or `python -m b4k3.models`: look into checkpoints, convert and compare them, and use them on lines of text.

A command is a module of this package with EXAMPLES, `add_arguments(add)` and `run(args, out)`, which returns the exit
code. Other packages add commands by entry points of the group `b4k3.commands`: the name of an entry point is the
command, and its value is the module, which also has HELP, what the command does. Such a module is imported only when
its command is asked for, or the help that lists all commands.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from typing import Any, Mapping

from ..__about__ import __version__
from ..registry import entry_points

# command -> what it does
COMMANDS = {
    "inspect": "show what a checkpoint is, what is in it, and what of it would load",
    "convert": "write a checkpoint under other names or in another container, with its config and vocabulary",
    "verify": "check whether a checkpoint is whole, and whether two checkpoints hold and compute the same",
    "features": "read lines of text and write a vector for each of them",
}
_PARTS = ("HELP", "EXAMPLES", "add_arguments", "run")  # of the module of a command of another package
_DESCRIPTION = "Look into checkpoints, convert and compare them, and use them on lines of text."
_EPILOG = """Each command explains itself and gives examples: b4k3 inspect --help

exit codes: 0 done; 1 wrong input, said in one line on standard error; 2 wrong command line;
3 the input was read, and the answer is no: it would not load, or it differs; 130 interrupted
"""


def parser(command: str | None = None, others: Mapping[str, str] | None = None) -> argparse.ArgumentParser:
    """Make the parser of the command line.

    Arguments:
        command: str or None. The command that is asked for; None asks for the help that lists all commands.
        others: dict from a command to its module, for the commands of other packages. None takes the entry points of
            the group `b4k3.commands`.

    Returns:
        `argparse.ArgumentParser`. It has the arguments of our commands, and of the other package's command that is
        asked for.

    Raises:
        ImportError: the module of the command that is asked for cannot be used. The message names both.
    """
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="b4k3", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"b4k3-models {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str, module: Any = None) -> None:
        """Add a command, with its arguments if its module is given."""
        if module is None:
            commands.add_parser(name, help=text)
            return
        sentence = f"{text[0].upper()}{text[1:]}."
        added = commands.add_parser(name, help=text, description=sentence, epilog=module.EXAMPLES, formatter_class=raw)
        module.add_arguments(added.add_argument)
        added.set_defaults(run=module.run)

    for name, text in COMMANDS.items():
        add(name, text, importlib.import_module("." + name, __name__))
    for name, target in sorted((entry_points("b4k3.commands") if others is None else others).items()):
        if name in COMMANDS:
            continue  # a command of ours stays what it is
        if name == command:
            module = imported(name, target)
            add(name, module.HELP, module)
        elif command is None:
            add(name, _help(name, target))
        else:
            add(name, target)  # argparse knows its name, for the message about a command that is not there
    return top


def imported(name: str, target: str) -> Any:
    """Import the module of a command of another package.

    Arguments:
        name: str. The command.
        target: str. The module.

    Returns:
        The module.

    Raises:
        ImportError: the module cannot be imported, or is no command. The message names it.
    """
    try:
        module: Any = importlib.import_module(target)
    except (Exception, SystemExit) as error:  # whatever another package raises is said by name
        raise ImportError(
            f"the command {name} cannot be used: {target} fails with {type(error).__name__}: {error}"
        ) from error
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise ImportError(f"the command {name} cannot be used: {target} has no {', '.join(missing)}")
    return module


def _help(name: str, target: str) -> str:
    """Return what a command of another package does; for one that cannot be used, why not."""
    try:
        return imported(name, target).HELP
    except ImportError as error:
        return str(error).replace("%", "%%")


def main(argv: list[str] | None = None, others: Mapping[str, str] | None = None) -> int:
    """Run the command line.

    Arguments:
        argv: list of str. The arguments without the program's name; None takes the arguments of the process.
        others: dict from a command to its module, for the commands of other packages. None takes the entry points of
            the group `b4k3.commands`.

    Returns:
        int, the exit code; the help says what each means.
    """
    argv = sys.argv[1:] if argv is None else argv
    command = next((word for word in argv if not word.startswith("-")), None)  # no option before it takes a value
    try:
        top = parser(command, others)
    except ImportError as e:
        print(f"error: {' '.join(said(e).split())}", file=sys.stderr)
        return 1
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
