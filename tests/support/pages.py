"""Run the code blocks of a page of docs/, and compare what they print with what the page says.

A page is Markdown. Its blocks are run from top to bottom in one namespace and one folder:

    ```python                       each statement is executed. The comment behind a `print(…)` is what it prints.
    ```bash                         lines that begin with `b4k3` are run by the command's own `main`.
    ```text                         directly below a block of code: everything that the block prints.
    <!-- not run: the reason -->    directly above a block that cannot be run.

`...` in an expected output stands for any text, as in doctest.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import pathlib
import re
import shlex
import sys
import tempfile
import tokenize
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^<!-- not run: (?P<reason>.+?) -->\n\s*)?^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S)
RUN = ("python", "bash")
OTHERS = ("json", "text", "toml")  # blocks that are only shown
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block:
    """A fenced block of a page.

    Attributes:
        language: str. The word behind the fence.
        code: str.
        line: int. The number of its first line of code in the page.
        reason: str or None. Why it is not run.
        output: str or None. The text of the block of output directly below.
    """

    def __init__(self, match, page):
        self.language = match.group("info").strip()
        self.code = match.group("code")
        self.line = page.count("\n", 0, match.start("code")) + 1
        self.reason = match.group("reason")
        self.output = None


def pages(language=""):
    """{name of the page: its path} of all pages in English, or with ".zh-CN" of all pages in Chinese."""
    ending = f"{language}.md"
    found = {path.name[: -len(ending)]: path for path in sorted((ROOT / "docs").glob("*.md"))}
    return {name: path for name, path in found.items() if path.name == name + ending and "." not in name}


def blocks(path):
    """The blocks of a page that are code. A block of output belongs to the code directly above it."""
    page = path.read_text(encoding="utf-8")
    found, end = [], None
    for match in BLOCK.finditer(page):
        block = Block(match, page)
        if block.language == "text" and end is not None and not page[end : match.start()].strip():
            found[-1].output = block.code
        else:
            found.append(block)
        end = match.end() if block.language in RUN else None
    return found


def run(path, names=None, change=lambda code: code):
    """Run every block of a page in the current folder.

    Arguments:
        path: path of the page.
        names: dict. The namespace of the Python code; what is already in it can be used by the page.
        change: function from the code of a Python block to the code that is run.

    Returns:
        dict, the namespace.

    Raises:
        AssertionError: something else was printed than the page says.
    """
    names = {"__name__": "page"} if names is None else names
    for block in blocks(path):
        if block.reason is not None or block.language not in RUN:
            continue
        where = f"{path.name}, line {block.line}"
        if block.language == "bash":
            printed = run_commands(block.code, where)
        else:
            printed = run_python(change(block.code), names, path, block.line, block.output is not None)
        if block.output is not None or block.language == "python":  # a page may leave out what a command prints
            compare(block.output or "", printed, where)
    return names


def run_python(code, names, path, line, has_output):
    """Execute the statements one by one. Return what they print, less the output that comments show."""
    printed = []
    statements = ast.parse(code).body
    lines = code.splitlines(keepends=True)
    starts = [start_of(statement) for statement in statements] + [len(lines) + 1]
    for statement, start, end in zip(statements, starts, starts[1:]):
        compiled = compile("\n" * (line - 1) + code_of(lines, start, end), str(path), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                exec(compiled, names)
            except Exception as error:
                if not has_output or statement is not statements[-1]:
                    raise
                print(f"{type(error).__name__}: {error}")  # an error that ends a block may be what the page shows
        comment = comment_behind(lines[start - 1 : end - 1]) if is_print(statement) else None
        where = f"{path.name}, line {line + start - 1}"
        if comment is not None:
            compare(comment, output.getvalue(), where)
        elif is_print(statement):
            assert has_output, f"{where}: the page does not say what this prints"
        if comment is None:
            printed.append(output.getvalue())
    return "".join(printed)


def start_of(statement):
    """The first line of a statement, which may be a decorator."""
    return min([statement.lineno] + [node.lineno for node in getattr(statement, "decorator_list", [])])


def code_of(lines, start, end):
    """The code of a statement, moved down to its place in the block, so that tracebacks have the line of the page."""
    return "\n" * (start - 1) + "".join(lines[start - 1 : end - 1])


def is_print(statement):
    """Whether a statement calls `print`."""
    call = getattr(statement, "value", None) if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"


def comment_behind(lines):
    """The comment on the last line of code, None if there is none."""
    comment, last = None, 0
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            comment = token.string.lstrip("# ") if token.start[0] == last else comment
        elif token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER):
            last, comment = token.end[0], None
    return comment


def run_commands(code, where):
    """Run the lines of a block of bash, each of which must be a `b4k3` command. Return what they print.

    A line must succeed, unless a comment behind it says another exit status: `b4k3 verify a b  # exit status 3`.
    """
    from b4k3.models.cli import main

    with written_to_stdout() as output:
        for line in code.replace("\\\n", " ").splitlines():
            command, _, source = line.partition(" < ")
            words = shlex.split(command, comments=True)
            if words:
                assert words[0] == "b4k3", f"{where}: {line!r} is not a b4k3 command; say why it is not run"
                with open(source.split()[0] if source else os.devnull, encoding="utf-8") as text:
                    with unittest.mock.patch("sys.stdin", text):
                        status = status_of(main, words[1:])
                expected = re.search(r"# exit status (\d+)", line)
                assert status == int(expected.group(1) if expected else 0), f"{where}: {line!r} gave {status}"
    return output.text


@contextlib.contextmanager
def written_to_stdout():
    """Give an object whose `text` is what was written to the file descriptor 1, as the commands do."""
    output = io.StringIO()
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        original = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield output
        finally:
            sys.stdout.flush()
            os.dup2(original, 1)
            os.close(original)
            file.seek(0)
            output.text = file.read().decode("utf-8")


def status_of(main, arguments):
    try:
        return main(arguments) or 0
    except SystemExit as e:
        return e.code or 0


def compare(expected, printed, where):
    """Raise AssertionError if a text is not the expected one, apart from white space and `...`."""
    if not doctest.OutputChecker().check_output(expected.strip() + "\n", printed.strip() + "\n", FLAGS):
        raise AssertionError(f"{where}: the page says\n{expected.strip()}\nand the code prints\n{printed.strip()}")
