"""`hatch run stress`: measures what SECURITY.md and the documents promise under load and abuse, and prints one table.

    python tests/stress/run.py                   # all of it, some minutes
    python tests/stress/run.py --short           # the form that CI runs, some seconds
    python tests/stress/run.py --only mutants    # one topic; may be given several times

A topic is a module of this folder with a function `measure(short)`, which returns a list of (what was measured, the
figure, whether the promise holds). The exit status is 1 if a promise does not hold, or if a topic ends in an error.
"""

import argparse
import importlib
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TOPICS = sorted(path.stem for path in HERE.glob("*.py") if "def measure(" in path.read_text(encoding="utf-8"))
TOPICS = [topic for topic in TOPICS if topic != "run"]


def topic(name):
    """The module of a topic. It is `stress.NAME`, since some are called as packages are, `tokenizers` for instance."""
    tests = str(HERE.parent)
    if tests not in sys.path:
        sys.path.insert(0, tests)
    return importlib.import_module("stress." + name)


def measured(name, short):
    """[(topic, what was measured, figure, whether the promise holds)] of one topic; an error of it is such a row."""
    try:
        rows = topic(name).measure(short)
    except Exception as error:
        traceback.print_exc()
        rows = [("it ran to its end", f"{type(error).__name__}: {' '.join(str(error).split())[:80]}", False)]
    return [(name, what, figure, bool(holds)) for what, figure, holds in rows]


def table(rows):
    """The lines of the table, its columns aligned."""
    rows = [("topic", "measured", "figure", "promise")] + [
        (name, what, figure, "holds" if holds else "BROKEN") for name, what, figure, holds in rows
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([row[i].ljust(widths[i]) for i in range(3)] + [row[3]]) for row in rows]
    return [lines[0], "-" * max(map(len, lines))] + lines[1:]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--only", action="append", choices=TOPICS, metavar="TOPIC", help=", ".join(TOPICS))
    args = parser.parse_args(argv)
    rows = []
    for name in args.only or TOPICS:
        begin = time.time()
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += measured(name, args.short)
        print(f"{name}: {time.time() - begin:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(rows)))
    return 0 if rows and all(holds for _, _, _, holds in rows) else 1


if __name__ == "__main__":
    if pathlib.Path(sys.path[0] or os.curdir).resolve() == HERE:
        del sys.path[0]  # a topic must not be imported in the place of a package of its name
    sys.exit(main())
