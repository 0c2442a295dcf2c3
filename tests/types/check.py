"""pyright and mypy read what a user reads: `hatch run types`.

Three things must hold of each checker: every public name of the packages resolves, `user.py` has no error, and of
`misspelt.py` exactly those lines have one that say so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = ("backend", "layers", "models", "optimizers", "snippets", "tokenizers")


def pyright(*files):
    """The errors of pyright: set of (name of the file, line, message)."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
    if answer.returncode not in (0, 1):
        raise SystemExit(answer.stdout + answer.stderr)
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1, item["message"])
        for item in json.loads(answer.stdout)["generalDiagnostics"]
        if item["severity"] == "error"
    }


def mypy(*files):
    """The errors of mypy: set of (name of the file, line, message); those inside the packages are not the user's."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(HERE / "mypy.ini"), *map(str, files)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
    if answer.returncode not in (0, 1):
        raise SystemExit(answer.stdout + answer.stderr)
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", answer.stdout, re.M)
    return {(Path(file).name, int(line), message) for file, line, message in found}


def public_names(folder):
    """A script that imports each public name of each package."""
    from importlib import import_module

    lines = []
    for package in PACKAGES:
        names = import_module("b4k3." + package)._NAMES
        lines += [f"from b4k3.{package} import {name} as {package}_{name}" for name in sorted(names)]
    path = Path(folder) / "public_names.py"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, len(lines)


def main():
    expected = {
        number
        for number, line in enumerate((HERE / "misspelt.py").read_text(encoding="utf-8").splitlines(), 1)
        if "  # error" in line
    }
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        names, count = public_names(folder)
        for checker in (pyright, mypy):
            found = checker(HERE / "user.py", HERE / "misspelt.py", names)
            lines = {line for file, line, _ in found if file == "misspelt.py"}
            rest = sorted(item for item in found if item[0] != "misspelt.py")
            wrong += [f"{checker.__name__}: {file}:{line} {message}" for file, line, message in rest]
            wrong += [f"{checker.__name__}: misspelt.py:{line} is not found" for line in sorted(expected - lines)]
            wrong += [f"{checker.__name__}: misspelt.py:{line} is no misspelling" for line in sorted(lines - expected)]
            found_lines = len(lines & expected)
            print(f"{checker.__name__}: {count} public names, {len(rest)} errors, {found_lines} misspellings found")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
