"""`python -m b4k3.tokenizers`: text to ids, ids to text, and what is in a vocabulary."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import warnings
from itertools import islice
from typing import BinaryIO, Iterator

from . import _unicode, vocab
from .__about__ import __version__

_LINES_AT_ONCE = 2000

_EXAMPLES = """examples:
  python -m b4k3.tokenizers encode vocab.txt --lower < lines.txt > ids.txt
  echo "Hello world" | python -m b4k3.tokenizers encode vocab.txt --lower --output tokens
  python -m b4k3.tokenizers encode tokenizer.json lines.txt --output offsets --json
  python -m b4k3.tokenizers decode vocab.txt ids.txt
  python -m b4k3.tokenizers inspect vocab.txt
"""


def open_tokenizer(path, lower=False, **kwargs):
    """The tokenizer of a file, by its name: `.json` a tokenizer.json, `.model` of SentencePiece, else a vocabulary.

    Arguments:
        path: the file.
        lower: lower-case the text; only where the file does not say it itself.
        kwargs: for the tokenizer's class.
    """
    kind = os.path.splitext(path)[1].lower()
    if kind in (".json", ".model") and lower:
        raise ValueError(f"--lower is for vocabulary files; {path} says itself how text is normalised")
    if kind == ".json":
        from .tokenizer_json import load_tokenizer_json

        return load_tokenizer_json(path, **kwargs)
    if kind == ".model":
        from . import SpTokenizer

        return SpTokenizer(path, **kwargs)
    from .wordpiece import Tokenizer

    return Tokenizer(path, do_lower_case=lower, **kwargs)


def encode(args, lines, write):
    """One line out for each line in."""
    bare = {"token_start": None, "token_end": None} if args.no_specials else {}
    tokenizer = open_tokenizer(args.tokenizer, args.lower, **bare)
    limit = {} if args.maxlen is None else {"maxlen": args.maxlen}  # or what a tokenizer.json says
    while True:
        texts = [line.rstrip("\r\n") for line in islice(lines, _LINES_AT_ONCE)]
        if not texts:
            return
        batch = tokenizer.encode_batch(texts, padding=False, **limit)
        for row in getattr(batch, args.output):
            write(json.dumps(row, ensure_ascii=False) if args.json else " ".join(map(_plain, row)))


def _plain(value):
    return "%d:%d" % value if isinstance(value, tuple) else str(value)


def decode(args, lines, write):
    """Text for each line of ids, which are separated by spaces, or a JSON list."""
    tokenizer = open_tokenizer(args.tokenizer)
    for number, line in enumerate(lines, 1):
        try:
            ids = [int(i) for i in line.replace("[", " ").replace("]", " ").replace(",", " ").split()]
        except ValueError:
            raise ValueError(f"line {number} of the ids: {line.strip()[:60]!r} is no list of ids") from None
        write(tokenizer.decode(ids))


def inspect(args, lines, write):
    """What is in a vocabulary."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokenizer = open_tokenizer(args.tokenizer)
    facts = tokenizer_facts(tokenizer)
    facts["warnings"] = [str(w.message) for w in caught]
    if args.json:
        return write(json.dumps(facts, ensure_ascii=False))
    for name, value in facts.items():
        values = value if isinstance(value, list) else [value]
        for i, item in enumerate(values):
            write("%-18s %s" % ("" if i else name.replace("_", " "), item))


def tokenizer_facts(tokenizer):
    """A dict of what `inspect` prints."""
    special_ids = {
        name: getattr(tokenizer, "_token_%s_id" % name)
        for name in ("pad", "unk", "mask", "start", "end")
        if hasattr(tokenizer, "_token_%s_id" % name)
    }
    facts = {"kind": type(tokenizer).__name__, "size": tokenizer._vocab_size}
    facts["special_ids"] = ["%s %d" % pair for pair in special_ids.items()]
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


def parser():
    """The arguments of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m b4k3.tokenizers",
        description="Text to ids, ids to text, and what is in a vocabulary.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"b4k3-tokenizers {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    helps = {
        encode: "ids, tokens or offsets of each line",
        decode: "text of each line of ids",
        inspect: "the vocabulary",
    }
    for function, text in helps.items():
        command = commands.add_parser(function.__name__, help=text, description=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument("tokenizer", help="vocab.txt, tokenizer.json or a .model of SentencePiece")
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


def main(argv=None):
    """Run the command line; the exit status: 0, 1 for input that is wrong, 2 for a wrong command line."""
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who reads us has seen enough
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as e:
        print(f"error: {' '.join(str(e).split())}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[Iterator[str]]:
    """Open a text in UTF-8, and give its lines as `decoded` does.

    Arguments:
        path: str. '-' is standard input.
    """
    name = "standard input" if path == "-" else path
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        yield decoded(file, name)


def decoded(
    file: BinaryIO, name: str, error: type[ValueError] = ValueError, longest: int | None = None
) -> Iterator[str]:
    """Decode the lines of a text in UTF-8 as they come, without a byte order mark.

    Arguments:
        file: open, binary.
        name: str. What messages call the file.
        error: type. The class of the errors.
        longest: int. How many bytes a line may have; None for no limit.

    Yields:
        str. A line with its end.

    Raises:
        ValueError: an `error`: a line is not UTF-8, or too long; it names the file and the line.
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
