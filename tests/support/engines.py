"""Runs of `b4k3 … --engine ray` as processes of their own: small models, their input, what they wrote, and kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from support.small_models import CONFIG, spread

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 ' t ##s .".split()
WRONG_EVERY = 97  # every so many lines one is wrong
# The environments of hatch have the entry points; a run by the path of the sources has not.
START = """
import sys
from b4k3.models import cli, registry
from b4k3.models.cli import engines
from b4k3.tasks.commands import COMMANDS
engines.entry_points = lambda group: {"ray": "b4k3.tasks.commands.ray_engine:run"}
sys.exit(cli.main(sys.argv[1:], COMMANDS))
"""


def write_model(folder, hidden_size=16, layers=2):
    """A BERT with random weights. Returns the folder as str."""
    from b4k3.models import build_transformer_model

    folder = Path(folder)
    folder.mkdir(parents=True)
    config = dict(CONFIG, hidden_size=hidden_size, intermediate_size=2 * hidden_size, num_hidden_layers=layers)
    transformer = build_transformer_model(config, model="bert", return_keras_model=False)
    spread(transformer).save_weights_as_checkpoint(str(folder / "model.safetensors"), format="safetensors")
    (folder / "config.json").write_text(json.dumps(dict(config, model_type="bert")), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return str(folder)


def texts(count, seed=0):
    """Random texts of one to thirty words."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS[5:], k=chosen.randint(1, 30))) for _ in range(count)]


def write_lines(path, count):
    """A file of JSON lines with ids, some of them wrong. Returns the path as str."""
    rows = [{"id": f"第{i}", "text": text} for i, text in enumerate(texts(count))]
    for row in rows[WRONG_EVERY - 1 :: WRONG_EVERY]:
        row["text"] = None
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def environment(folder, **others):
    """The environment of a run, which leaves nothing in the home folder. Sockets need a short path."""
    folder = str(folder)
    paths = os.pathsep.join(filter(None, sys.path))
    others.setdefault("RAY_TMPDIR", folder)
    return dict(os.environ, HOME=folder, PYTHONPATH=paths, RAY_USAGE_STATS_ENABLED="0", **others)


def start(arguments, env):
    """Start a command. Its standard error is piped."""
    command = [sys.executable, "-W", "ignore", "-c", START, *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def run(arguments, env, timeout=300):
    """Run a command. Returns (exit code, standard error)."""
    process = start(arguments, env)
    try:
        error = process.communicate(timeout=timeout)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, error


# ------------------------------------------------------------------------------------------------------- processes


def processes():
    """{id of a process: (id of its parent, its command line)} of this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(path.name)] = (
                parent,
                (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"),
            )
        except (OSError, ValueError, IndexError):
            continue  # it has ended
    return found


def workers_below(root):
    """The worker processes of Ray below the driver `root`, [(id, what it does)]; the agents of the node are none."""
    found = processes()

    def belongs(pid):
        while pid in found and pid != root:
            pid = found[pid][0]
        return pid == root

    return [
        (pid, line)
        for pid, (_, line) in found.items()
        if line.startswith("ray::") and "Agent" not in line and belongs(pid)
    ]


def kill(pid):
    """Kill -9, unless the process has ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, process, seconds=240):
    """Look twenty times a second until the condition holds or the process has ended. Returns whether it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.05)
    return False


def parts_done(output):
    """The number of parts that a run has written so far."""
    return len(list(Path(f"{output}.part").glob("*/part-*"))) + len(list(Path(output).glob("part-*")))


# ------------------------------------------------------------------------------------------------------------- rows


def rows_of(output):
    """The rows of a folder of parts, in the order of the parts."""
    if str(output).endswith(".parquet"):
        from pyarrow import parquet

        tables = [parquet.read_table(path).to_pylist() for path in sorted(Path(output).glob("part-*"))]
        return [row for table in tables for row in table]
    parts = [path.read_text(encoding="utf-8") for path in sorted(Path(output).glob("part-*"))]
    return [json.loads(line) for line in "".join(parts).splitlines()]


def compare(output, single, lines):
    """Compare a folder of parts with the file of one process, {counts and the largest difference of two numbers}."""
    rows = rows_of(output)
    wanted = [json.loads(line) for line in Path(single).read_text(encoding="utf-8").splitlines()]
    listed = [json.loads(x) for path in sorted(Path(output).glob("_errors-*")) for x in path.read_text().splitlines()]
    largest = 0.0
    for row, want in zip(rows, wanted):
        assert row["id"] == want["id"] and row.get("error") == want.get("error"), (row, want)
        if "vector" in want:
            largest = max(largest, float(np.abs(np.array(row["vector"]) - np.array(want["vector"])).max()))
    distinct = len({row["line"] for row in rows})
    wrong = [row["id"] for row in wanted if "error" in row]
    assert [row["id"] for row in listed] == wrong
    return {"lines": lines, "rows": len(rows), "distinct": distinct, "wrong": len(wrong), "largest": largest}
