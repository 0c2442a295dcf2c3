"""`--engine ray`: Ray Data spreads the parts of the input over actors. Each actor holds the model.

An actor reads a part, computes it and writes its file. Only numbers go through Ray: a part is some integers on the way
out, and some counts on the way back. Ray gives an actor the next part when it has done one, starts a new actor for one
that died, and repeats its part. ray is imported when the engine runs.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from b4k3.backend._progress import ProgressBar
from b4k3.models import ConfigError
from b4k3.models.cli import said

from .answering import Notes, answer_window
from .part_files import PartFolder, PartFormat, checked_suffix, count_try, part_path, refuse_existing, write_part
from .parts import Inputs, Part, divide, read_part
from .running import SHOWN, WRONG

if TYPE_CHECKING:
    import argparse

    from .answering import LineTask

TRIES = 5  # to start or find Ray, which can fail on a machine with much to do
OBJECT_STORE = 200 << 20  # bytes, of a local cluster: no texts and no answers go through it
MAX_BLOCKS = 2000  # Ray Data keeps each block in mind, which takes milliseconds; a block has several parts if need be
MAX_TRIES = 20  # of a part: a text that kills its actor shall not do so for ever
HANDED_ON = ("KERAS_BACKEND", "TF_KERAS", "RECOMPUTE", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL")


class Job(NamedTuple):
    """What an actor must know beside its parts.

    Attributes:
        task: `LineTask`.
        folder: str. Where the files of the parts go.
        rows: `PartFormat`. How rows become a file.
        lines: str. What a line is, "text", "json" or "auto".
        pairs: bool. Whether a line may have two texts.

    Example:
        >>> from b4k3.tasks.commands.part_files import PartFormat
        >>> from b4k3.tasks.commands.ray_engine import Job
        >>> Job(None, "folder", PartFormat(".jsonl", named=False, id_type=None), "text", pairs=False).lines
        'text'
    """

    task: Any
    folder: str
    rows: PartFormat
    lines: str
    pairs: bool


class PartWorker:
    """Computes parts: the callable of an actor of Ray Data, which takes a part as a row and gives a row of counts.

    Arguments:
        job: `Job`.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.commands.part_files import PartFormat
        >>> from b4k3.tasks.commands.parts import divide
        >>> from b4k3.tasks.commands.ray_engine import Job, PartWorker
        >>> class Length:
        ...     size, columns = 0, {"length": int}
        ...
        ...     def answers(self, texts, first):
        ...         return [{"length": len(text)} for text in texts]
        >>> folder = tempfile.mkdtemp()
        >>> path = os.path.join(folder, "lines.txt")
        >>> with open(path, "w") as file:
        ...     count = file.write("a cat\\n")
        >>> worker = PartWorker(Job(Length(), folder, PartFormat(".jsonl", False, None), "text", pairs=False))
        >>> worker(divide(path, 10).parts[0]._asdict())["lines"]
        1
        >>> with open(os.path.join(folder, "part-0000000.jsonl")) as file:
        ...     file.read()
        '{"line": 1, "length": 5}\\n'
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Compute a part, unless its file is there: then it belongs to a block that is repeated after an actor's death.

        Arguments:
            row: dict. The fields of a `Part`.

        Returns:
            dict: "lines" and "wrong", their numbers; "told", JSON with the messages of wrong lines and the sums of
            notes; "failure", why the run cannot go on, "" if it can.
        """
        part = Part(**row)
        try:
            return self._computed(part)
        except (ValueError, OSError, ImportError) as error:
            return {"lines": 0, "wrong": 0, "told": "[[], {}]", "failure": f"{type(error).__name__}: {said(error)}"}

    def _computed(self, part: Part) -> dict[str, Any]:
        """Compute a part."""
        job, notes = self.job, Notes()
        if os.path.exists(part_path(job.folder, part.number, job.rows.suffix)):
            return {"lines": part.lines, "wrong": 0, "told": "[[], {}]", "failure": ""}
        if count_try(job.folder, part.number) > MAX_TRIES:
            where = f"{part.path}, lines {part.first + 1} to {part.first + part.lines}"
            raise ConfigError(f"{where}: {MAX_TRIES} actors died of them; a smaller --batch-size or --maxlen may help")
        lines = read_part(part, job.lines, job.pairs, job.rows.named)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            lines, answers = answer_window(lines, job.task, part.before)
        notes.add(caught)
        wrong = [line for line in lines if line.error]
        columns = job.task.columns if job.rows.suffix == ".parquet" else {}
        data = job.rows.encoded(lines, answers, columns)
        write_part(job.folder, part.number, job.rows.suffix, data, wrong)
        named = f"{os.path.basename(part.path)}, " if job.rows.named else ""
        messages = [f"{named}line {line.number}: {line.error}" for line in wrong[:SHOWN]]
        told = json.dumps([messages, notes.counts])
        return {"lines": part.lines, "wrong": len(wrong), "told": told, "failure": ""}


def run(args: argparse.Namespace, task: LineTask, settings: Callable[[], dict[str, Any]], pairs: bool = False) -> int:
    """Answer line by line on Ray: the engine `ray` of the group `b4k3.engines`.

    Arguments:
        args: the parsed command line.
        task: `LineTask`, which can be pickled.
        settings: function that collects what an interrupted run must share with this one.
        pairs: bool. Whether a line may have two texts.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: an argument is wrong, a file cannot be read, or the interrupted run had other settings.
        ImportError: ray is not there.
        OSError: Ray does not start, or a file cannot be written.
    """
    ray = _imported()
    for name in ("actors", "cpus_per_actor", "gpus_per_actor"):
        if getattr(args, name) is not None and getattr(args, name) < (name == "actors"):
            raise ConfigError(
                f"--{name.replace('_', '-')} is {getattr(args, name)}, expected {int(name == 'actors')} or more"
            )
    suffix = checked_suffix(args.output)
    refuse_existing(args.output)
    inputs = divide(args.file, args.window)
    same = dict(settings(), input=inputs.digest, window=args.window)
    with PartFolder(args.output, same, len(inputs.parts), args.restart) as folder:
        missing = [inputs.parts[i] for i in folder.missing()]
        done = inputs.lines - sum(part.lines for part in missing)
        if done and not args.quiet:
            sys.stderr.write(f"going on after {done} lines\n")
        rows = PartFormat(suffix, inputs.named, inputs.id_type)
        if missing:
            job = Job(task, folder.folder, rows, getattr(args, "format", "auto"), pairs)
            _compute(ray, args, job, missing, inputs, done)
        wrong = folder.wrong()
        folder.finish({"lines": inputs.lines, "wrong": wrong, "parts": len(inputs.parts)})
    if wrong:
        where = os.path.join(args.output, "_errors-*.jsonl")
        sys.stderr.write(f"{wrong} of {inputs.lines} lines are wrong; their rows say why, and {where} list them\n")
    return WRONG if wrong else 0


def _imported() -> Any:
    """Import Ray, which shall tell nobody how it is used."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its logs are in its folder of the session
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(f"--engine ray needs Ray Data: pip install 'b4k3-tasks[ray]' ({error})") from None
    return ray


def _compute(ray: Any, args: argparse.Namespace, job: Job, parts: list[Part], inputs: Inputs, done: int) -> None:
    """Let actors compute parts, and show how far they are."""
    before, begin, told, notes = done, time.monotonic(), 0, Notes()
    start_ray(ray, args.address, args.actors or 1, args.cpus_per_actor, args.gpus_per_actor)
    try:
        with ProgressBar(inputs.lines, unit="lines", shown=not args.quiet) as bar:
            for row in _results(ray, args, job, parts):
                if row["failure"]:
                    raise ConfigError(row["failure"].replace("ConfigError: ", "", 1))
                messages, counts = json.loads(row["told"])
                for message in messages[: max(SHOWN - told, 0)]:
                    sys.stderr.write(message + "\n")
                told, done = told + len(messages), done + row["lines"]
                notes.add_counts(counts)
                bar.show(done)
    except ray.exceptions.RayError as error:
        raise OSError(
            f"Ray: {type(error).__name__}: {error}; what is done is kept, and the same command goes on"
        ) from None
    finally:
        ray.shutdown()
    notes.write()
    if not args.quiet:
        rate = (done - before) / max(time.monotonic() - begin, 1e-6)
        sys.stderr.write(f"{done} lines, {rate:.0f} a second\n")


def start_ray(
    ray: Any, address: str | None, actors: int, cpus_per_actor: float | None = None, gpus_per_actor: float | None = None
) -> None:
    """Connect to a cluster, or start one on this machine that has room for the actors.

    Arguments:
        ray: the module.
        address: str or None. The cluster; None starts one.
        actors: int. Their number.
        cpus_per_actor: float or None. The cores that each takes; None is 1.
        gpus_per_actor: float or None. The GPUs that each takes; None is 0.

    Raises:
        OSError: the cluster is not reached, or does not start.
    """
    options: dict[str, Any] = {"address": address}
    if address is None:
        cpus = 1 if cpus_per_actor is None else cpus_per_actor
        options = {"num_cpus": max(math.ceil(actors * cpus), 1), "include_dashboard": False}
        options["object_store_memory"] = OBJECT_STORE
        if gpus_per_actor:
            options["num_gpus"] = math.ceil(actors * gpus_per_actor)
    else:
        variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        options["runtime_env"] = {"env_vars": variables}
    for i in range(TRIES):
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
            return
        except Exception as error:  # Ray raises errors of many classes, and plain ones too
            ray.shutdown()
            if i == TRIES - 1:
                where = "does not start" if address is None else f"is not reached at {address}"
                raise OSError(f"Ray {where}: {type(error).__name__}: {error}") from None
            time.sleep(2**i)


def _results(ray: Any, args: argparse.Namespace, job: Job, parts: list[Part]) -> Any:
    """Yield what the actors return, as it comes."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = min(len(parts), MAX_BLOCKS)
    rows = ray.data.from_items([part._asdict() for part in parts], override_num_blocks=blocks)
    resources: dict[str, Any] = {"num_cpus": 1 if args.cpus_per_actor is None else args.cpus_per_actor}
    if args.gpus_per_actor:
        resources["num_gpus"] = args.gpus_per_actor
    actors = ray.data.ActorPoolStrategy(size=min(args.actors or 1, blocks))
    done = rows.map(PartWorker, fn_constructor_args=(job,), compute=actors, **resources)
    return done.iter_rows()
