"""The engine of a command that works line by line: this process, or what another package brings.

A package adds an engine by an entry point of the group `b4k3.engines`, whose name is the engine and whose value is
"module:FUNCTION". The function is called with the parsed command line, the task, a function that collects the settings
which two runs must share, and whether a line may have two texts; it returns the exit code. `ray` of b4k3-tasks is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from ..errors import ConfigError
from ..registry import entry_points, load

if TYPE_CHECKING:
    import argparse

PROCESS = "process"
OPTIONS = ("address", "actors", "cpus_per_actor", "gpus_per_actor")  # what an engine reads, and one process does not


def add_engine_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments that choose an engine.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add(
        "--engine",
        default=PROCESS,
        help="process, this one; or ray, Ray Data, where FILE may also be a folder or end in .parquet, and OUTPUT is a "
        "folder of parts, NAME.parquet or NAME.jsonl (default: %(default)s)",
    )
    add("--address", help="the cluster of --engine ray, auto or HOST:6379 (default: one on this machine)")
    add("--actors", type=int, help="how many models work side by side in --engine ray (default: 1)")
    add("--cpus-per-actor", type=float, help="cores that each of them takes (default: 1)")
    add("--gpus-per-actor", type=float, help="GPUs that each of them takes (default: 0)")


def engine_of(args: argparse.Namespace) -> Callable[..., int] | None:
    """Find the engine that a command line asks for.

    Arguments:
        args: the parsed command line.

    Returns:
        function of the command line, the task, the settings and whether there are pairs; None for this process.

    Raises:
        ConfigError: there is no such engine, or an option of an engine is given without one.
    """
    if args.engine == PROCESS:
        for name in OPTIONS:
            if getattr(args, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} applies only to an engine; give --engine ray with it")
        return None
    found = entry_points("b4k3.engines")
    if args.engine not in found:
        names = ", ".join([PROCESS, *sorted(found)])
        raise ConfigError(f"--engine {args.engine}: there are {names}; pip install 'b4k3-tasks[ray]' brings ray")
    return load(found[args.engine])
