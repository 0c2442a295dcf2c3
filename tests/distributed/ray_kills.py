"""Kill -9 on `b4k3 encode --engine ray`: actors, the driver, workers at random; and its speed beside single processes.

    python tests/distributed/ray_kills.py                 all of it: ten trials of each kind, and the speed; an hour
    python tests/distributed/ray_kills.py --trials 2 --kinds driver,worker
    python tests/distributed/ray_kills.py --kinds speed

Needs ray[data], as in `hatch run ray:kills`. Every trial runs the command, kills, runs the same command again if the
driver was killed, and compares the rows with those of one process: as many rows as lines, all distinct, no vector
differs by more than 1e-5, and the wrong lines are listed with their ids. The exit status is 1 if one fails.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import engines  # noqa: E402

KINDS = ("actor", "driver", "worker", "speed")
TOLERANCE = 1e-5
PATIENCE = 3600  # seconds: a run ends long before, also on a busy machine
TRIES = 5  # to run a command
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=1",
}


class Bench:
    """A model, its input, and what one process makes of it.

    Arguments:
        folder: where everything is written.
        lines: the number of lines.
        window: the number of lines of a part.
    """

    def __init__(self, folder, lines, window):
        self.folder, self.lines, self.window = Path(folder), lines, window
        self.env = engines.environment(folder)
        self.model = engines.write_model(self.folder / "bert")
        self.file = engines.write_lines(self.folder / "lines.jsonl", lines)
        self.single = self.folder / "single.jsonl"
        code, error = engines.run(self.arguments(self.single), self.env, timeout=PATIENCE)
        assert code == 3, error
        self.parts = -(-lines // window)

    def arguments(self, output):
        """The command line of one process."""
        options = ["--pooling", "mean", "--window", self.window, "--output", output, "--quiet"]
        return ["encode", self.model, self.file, *options]

    def ray(self, output, actors=2):
        """The command line on Ray."""
        return [*self.arguments(output), "--engine", "ray", "--actors", actors]

    def trial(self, kind, number):
        """Kill once and look at the rows. Returns (whether all is well, a line about it)."""
        output, r = self.folder / f"{kind}-{number}.jsonl", random.Random(f"{kind} {number}")
        share = {"actor": 1 / 3, "driver": 1 / 2, "worker": r.uniform(0.1, 0.9)}[kind]
        process, reached = self._started(output, share * self.parts)
        before = engines.parts_done(output)
        killed = reached and any(engines.kill(pid) for pid in self._victims(kind, process, r))
        error = process.communicate(timeout=PATIENCE)[1]
        runs = 1
        while process.returncode != 3 and runs < TRIES:
            time.sleep(2)  # the processes of the killed driver end
            runs += 1
            process = engines.start(self.ray(output), self.env)
            error = process.communicate(timeout=PATIENCE)[1]
        if process.returncode != 3:
            return False, f"exit status {process.returncode}: {error[-300:]}"
        found = engines.compare(output, self.single, self.lines)
        shutil.rmtree(output)
        good = found["rows"] == found["distinct"] == self.lines and found["largest"] <= TOLERANCE and killed
        return good, f"killed after {before} of {self.parts} parts, {runs} runs, {found}"

    def _started(self, output, parts):
        """Start a run and wait for so many parts. Ray gives up to start where the machine has too much to do."""
        for _ in range(TRIES):
            process = engines.start(self.ray(output), self.env)
            if engines.wait_for(lambda: engines.parts_done(output) >= parts, process, PATIENCE):
                return process, True
            if process.poll() is None or "Ray does not start" not in process.stderr.read():
                break
        return process, False

    def _victims(self, kind, process, r):
        """The processes that are tried to be killed, until it succeeds with one."""
        if kind == "driver":
            return [process.pid]
        workers = engines.workers_below(process.pid)
        if kind == "actor":
            workers = [(pid, line) for pid, line in workers if "MapWorker" in line]
        return [pid for pid, _ in r.sample(workers, len(workers))]


def seconds(folder, lines, window, model, env):
    """{what: seconds from start to end} of two single processes side by side, and of two actors."""
    folder.mkdir()
    halves = [engines.write_lines(folder / f"half-{i}.jsonl", lines // 2) for i in range(2)]
    both = folder / "both.jsonl"
    both.write_text("".join(Path(half).read_text(encoding="utf-8") for half in halves), encoding="utf-8")
    options, found = ["--pooling", "mean", "--window", window, "--output"], {}
    processes = [["encode", model, half, *options, folder / f"{i}.jsonl"] for i, half in enumerate(halves)]
    actors = [["encode", model, both, *options, folder / "ray.jsonl", "--engine", "ray", "--actors", 2]]
    for name, commands in (("two processes", processes), ("two actors", actors)):
        begin = time.monotonic()
        running = [engines.start(command, env) for command in commands]
        for process in running:
            error = process.communicate()[1]
            assert process.returncode == 3, error[-2000:]
        found[name] = time.monotonic() - begin
    return found


def speed(folder, lines, window):
    """Lines a second of two single processes and of two actors, with their start and without it.

    The start is what a run of two windows takes, in which all that is compiled is compiled.
    """
    env = engines.environment(folder, **ONE_THREAD)
    model = engines.write_model(folder / "model", hidden_size=384, layers=6)  # as MiniLM
    few = seconds(folder / "few", 2 * window, window, model, env)
    all_ = seconds(folder / "all", lines, window, model, env)
    whole = {name: lines / taken for name, taken in all_.items()}
    return whole, {name: (lines - 2 * window) / (taken - few[name]) for name, taken in all_.items()}


def compare_speed(folder, args):
    """Print lines a second of each round, and the medians of the ratios."""
    ratios = {"with the start": [], "without the start": []}
    for number in range(args.rounds):
        place = Path(folder) / f"round-{number}"
        place.mkdir()
        for name, found in zip(ratios, speed(place, args.speed_lines, 512)):
            ratios[name].append(found["two actors"] / found["two processes"])
            print(name, {key: round(value, 1) for key, value in found.items()}, f"{ratios[name][-1]:.2f}", flush=True)
    for name, values in ratios.items():
        print(f"{name}: two actors are {statistics.median(values):.2f} of two processes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of actor, driver, worker, speed")
    parser.add_argument("--trials", type=int, default=10, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first trial, to go on (default: %(default)s)"
    )
    parser.add_argument("--lines", type=int, default=4000, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=50, help="lines of a part (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of measuring the speed (default: %(default)s)")
    parser.add_argument("--speed-lines", type=int, default=8192, help="default: %(default)s")
    args = parser.parse_args()
    folder, failed = tempfile.mkdtemp(prefix="b4k3"), 0
    try:
        kinds = args.kinds.split(",")
        if "speed" in kinds:
            compare_speed(folder, args)
        kinds = [kind for kind in kinds if kind != "speed"]
        bench = Bench(folder, args.lines, args.window) if kinds else None
        for number in range(args.first, args.first + args.trials):
            for kind in kinds:
                good, line = bench.trial(kind, number)
                failed += not good
                print("ok    " if good else "FAILED", kind, number, line, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    sys.exit(main())
