"""`python -m b4k3.tokenizers`: text to ids, ids to text, and what is in a vocabulary."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import warnings
from itertools import islice
from typing import Any, BinaryIO, Callable, Iterator, Sequence

from . import _unicode, vocab
from .__about__ import __version__
from ._patterns import PATTERNS
from .opening import load_tokenizer

_LINES_AT_ONCE = 2000

_EXAMPLES = """examples:
  python -m b4k3.tokenizers encode vocab.txt --lower < lines.txt > ids.txt
  echo "Hello world" | python -m b4k3.tokenizers encode vocab.txt --lower --output tokens
  python -m b4k3.tokenizers encode tokenizer.json lines.txt --output offsets --json
  python -m b4k3.tokenizers encode roberta-base/vocab.json lines.txt --output tokens
  python -m b4k3.tokenizers encode qwen.tiktoken lines.txt --pattern qwen2 --special "<|endoftext|>"
  python -m b4k3.tokenizers decode vocab.txt ids.txt
  python -m b4k3.tokenizers inspect vocab.txt
"""


def encode(args: argparse.Namespace, lines: Iterator[str], write: Callable[[str], Any]) -> None:
    """Write ids, tokens or offsets, one line for each line of the text.

    Arguments:
        args: argparse.Namespace. The command line.
        lines: iterator of str. The lines of the text.
        write: function from str. It writes a line.
    """
    bare = {"token_start": None, "token_end": None} if args.no_specials else {}
    tokenizer = load_tokenizer(args.tokenizer, args.lower or None, args.pattern, args.specials, **bare)
    limit = {} if args.maxlen is None else {"maxlen": args.maxlen}  # Otherwise a tokenizer.json may have a limit.
    while True:
        texts = [line.rstrip("\r\n") for line in islice(lines, _LINES_AT_ONCE)]
        if not texts:
            return
        batch = tokenizer.encode_batch(texts, padding=False, **limit)
        for row in getattr(batch, args.output):
            write(json.dumps(row, ensure_ascii=False) if args.json else " ".join(map(_plain, row)))


def _plain(value: Any) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else str(value)


def decode(args: argparse.Namespace, lines: Iterator[str], write: Callable[[str], Any]) -> None:
    """Write the text of each line of ids, which are separated by spaces or are a JSON list.

    Arguments:
        args: argparse.Namespace. The command line.
        lines: iterator of str. The lines of ids.
        write: function from str. It writes a line.
    """
    tokenizer = load_tokenizer(args.tokenizer, None, args.pattern, args.specials)
    for number, line in enumerate(lines, 1):
        try:
            ids = [int(i) for i in line.replace("[", " ").replace("]", " ").replace(",", " ").split()]
        except ValueError:
            raise ValueError(f"line {number} of the ids: {line.strip()[:60]!r} is no list of ids") from None
        write(tokenizer.decode(ids))


def inspect(args: argparse.Namespace, lines: Iterator[str], write: Callable[[str], Any]) -> None:
    """Write what is in a vocabulary.

    Arguments:
        args: argparse.Namespace. The command line.
        lines: iterator of str. It is not used.
        write: function from str. It writes a line.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokenizer = load_tokenizer(args.tokenizer, None, args.pattern, args.specials)
    facts = tokenizer_facts(tokenizer)
    facts["warnings"] = [str(w.message) for w in caught]
    if args.json:
        write(json.dumps(facts, ensure_ascii=False))
        return
    for name, value in facts.items():
        values = value if isinstance(value, list) else [value]
        for i, item in enumerate(values):
            write(f"{'' if i else name.replace('_', ' '):<18} {item}")


def tokenizer_facts(tokenizer: Any) -> dict[str, Any]:
    """Collect what `inspect` writes.

    Arguments:
        tokenizer: Tokenizer or SpTokenizer.

    Returns:
        dict. The name and the value of each fact.
    """
    special_ids = {
        name: getattr(tokenizer, f"_token_{name}_id")
        for name in ("pad", "unk", "mask", "start", "end")
        if hasattr(tokenizer, f"_token_{name}_id")
    }
    facts = {"kind": type(tokenizer).__name__, "size": tokenizer._vocab_size}
    facts["special_ids"] = [f"{name} {i}" for name, i in special_ids.items()]
    token_dict = getattr(tokenizer, "_token_dict", None)
    if token_dict is None:
        return facts
    facts["largest_id"] = max(token_dict.values())
    facts["inside_words"] = sum(token[:2] == "##" for token in token_dict)
    facts["ideographs"] = sum(len(token) == 1 and _unicode.is_cjk_character(token) for token in token_dict)
    facts["unused"] = sum(token.startswith("[unused") for token in token_dict)
    facts["no_text_gives"] = sum(vocab.is_redundant(token) for token in token_dict)
    facts["with_capitals"] = sum(token[:1] != "[" and token != token.lower() for token in token_dict)
    facts["longest"] = max(token_dict, key=len)
    return facts


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line.

    Returns:
        argparse.ArgumentParser.
    """
    top = argparse.ArgumentParser(
        prog="python -m b4k3.tokenizers",
        description="Text to ids, ids to text, and what is in a vocabulary.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"b4k3-tokenizers {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    helps = {
        encode: "write ids, tokens or offsets of each line of a text",
        decode: "write the text of each line of ids",
        inspect: "write what is in a vocabulary",
    }
    for function, text in helps.items():
        description = function.__doc__.split("\n")[0]
        command = commands.add_parser(function.__name__, help=text, description=description)
        command.set_defaults(function=function)
        command.add_argument(
            "tokenizer",
            help="vocab.txt, tokenizer.json, vocab.json beside merges.txt, a .model of SentencePiece, a .tiktoken, "
            "or the folder of one",
        )
        command.add_argument(
            "--pattern",
            help=f"for vocab.json and tiktoken: how words are cut, {', '.join(PATTERNS)} or a regular expression",
        )
        command.add_argument(
            "--special",
            dest="specials",
            action="append",
            metavar="TOKEN",
            help="for vocab.json and tiktoken: a special token, once for each; new ones get the ids after the last",
        )
        if function is not inspect:
            command.add_argument("file", nargs="?", default="-", help="UTF-8 text, standard input if not given")
        if function is not decode:
            command.add_argument("--json", action="store_true", help="JSON out")
    add = commands.choices["encode"].add_argument
    add("--output", choices=("ids", "tokens", "offsets"), default="ids", help="what to print (default: %(default)s)")
    add("--lower", action="store_true", help="lower-case and strip accents, for vocabularies of uncased models")
    add("--maxlen", type=int, help="at most so many tokens, specials included")
    add("--no-specials", action="store_true", help="without the tokens around the text")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Arguments:
        argv: list of str or None. The arguments. With None they come from `sys.argv`.

    Returns:
        int. The exit status: 0, 1 if the input is wrong, 2 if the command line is wrong, 130 after an interrupt.
    """
    top = parser()
    args = top.parse_args(argv)
    if args.command is None:
        top.print_help()
        return 2
    out = open(1, "w", encoding="utf-8", closefd=False, newline="\n")
    try:
        with out, open_lines(getattr(args, "file", os.devnull)) as lines:
            args.function(args, lines, lambda line: out.write(line + "\n"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # The reader, such as `head`, has closed the pipe.
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as e:
        print(f"error: {' '.join(str(e).split())}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[Iterator[str]]:
    """Open a text in UTF-8 for a `with` statement.

    Arguments:
        path: str. The file; '-' for standard input.

    Yields:
        iterator of str. The lines, as `decoded` yields them.
    """
    name = "standard input" if path == "-" else path
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        yield decoded(file, name)


def decoded(
    file: BinaryIO, name: str, error: type[ValueError] = ValueError, longest: int | None = None
) -> Iterator[str]:
    """Decode the lines of a text in UTF-8 as they come, without a byte order mark.

    Arguments:
        file: BinaryIO. The open file.
        name: str. The name of the file, for messages.
        error: type. The class of the errors.
        longest: int or None. How many bytes a line may have; None for any number.

    Yields:
        str. A line with its end.

    Raises:
        ValueError: A line is not UTF-8, or is too long. The error is an `error`, and names the file and the line.
    """
    for number, line in enumerate(iter(lambda: file.readline(-1 if longest is None else longest + 1), b""), 1):
        if longest is not None and len(line) > longest:
            raise error(f"{name}, line {number}: more than {longest:,} bytes without a line end; is it a text?")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as e:
            raise error(
                f"{name}, line {number}: byte 0x{line[e.start]:02x} at position {e.start} of the line is not UTF-8; "
                "save the text as UTF-8"
            ) from None
        yield text[1:] if number == 1 and text[:1] == "\ufeff" else text
