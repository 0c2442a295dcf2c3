"""`b4k3 convert`: any checkpoint in other names or another container, with its config and vocabulary."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

from ..checkpoints import CheckpointError, open_checkpoint
from ..dialects import joined, places, stacked
from ..leftovers import OPTIMIZER_SLOT, TASK_HEAD, TRAINING_STATE, leftover
from ..loading import NOT_USED, dialect_named
from ..recognition import recognised_dialect
from . import keras_files
from .subject import LOADS, Subject
from .target import FORMATS, KERAS_FORMATS, Target

if TYPE_CHECKING:
    import numpy as np

    from ..checkpoints import Checkpoint
    from ..dialects import View

EXAMPLES = """examples:
  b4k3 convert chinese_L-12_H-768_A-12 bert-chinese --to huggingface
  b4k3 convert bert-base-chinese chinese_bert --to google
  b4k3 convert electra_small generator --to huggingface --model electra_generator
  b4k3 convert bert_model.ckpt half.safetensors --dtype float16
  b4k3 convert chinese_L-12_H-768_A-12 encoder.weights.h5 --heads pool
  b4k3 convert encoder.weights.h5 bert --to google --config bert_config.json --model bert --heads pool

TARGET is a folder, which gets checkpoint, config and vocabulary; or, if it ends in .safetensors, .npz, .ckpt,
.weights.h5, .keras or .h5, a file, which gets the checkpoint alone. Another suffix is refused; end the name with a
slash if it is a folder. Without --to the names stay as they are. Optimizer slots are left out; what else is left out
is listed. The head of a task, a classifier for instance, has no name in other dialects and keeps its own.
Only .weights.h5, .keras and .h5 need a Keras.

TARGET appears whole or not at all. What is there already is replaced only with --force, a part of SOURCE never.

exit codes: 0 converted, 1 not converted, and nothing was written
"""
NO_WEIGHTS = (OPTIMIZER_SLOT, TRAINING_STATE)
NO_NUMBERS = "not numbers"
SHOWN = 20  # names of what is left out
UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("source", help="a checkpoint in any container: prefix, file or folder")
    add("target", help="folder or file to write")
    add("--to", metavar="NAMES", help="google, huggingface or another dialect; its usual container and config go along")
    add("--format", choices=FORMATS, help="container, if not the usual one")
    add("--config", metavar="FILE", help="the configuration, if it is not beside SOURCE")
    add("--model", help="the architecture, if it is not to be recognised")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the config that is written")
    add("--dtype", choices=("float32", "float16", "bfloat16", "float64"), help="store floating variables in this dtype")
    add("--max-shard-size", type=shard_size, metavar="SIZE", help="begin another file at this size: 2GB, 500MB, 64MiB")
    add("--heads", metavar="LIST", help="heads of a Keras model: pool,nsp,mlm,discriminator (default: what SOURCE has)")
    add("--slots", action="store_true", help="keep optimizer slots and training state, where the names stay")
    add("--force", action="store_true", help="replace what TARGET holds")


def shard_size(text: str) -> int:
    """Read a number of bytes: '2GB' is 2 * 10**9, '64KiB' is 64 * 2**10.

    Arguments:
        text: str. A number and a unit; upper and lower case are the same.

    Returns:
        int.

    Raises:
        argparse.ArgumentTypeError: the text is no such size, or less than a byte.
    """
    match = re.match(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$", text.strip().lower())
    size = int(float(match.group(1)) * (1024 if match.group(3) else 1000) ** UNITS[match.group(2)]) if match else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected for instance 2GB, 500MB or 64KiB")
    return size


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: the command line contradicts itself, or something is there that may not be replaced.
        CheckpointError: the checkpoint cannot be read or cannot be converted so.
        OSError: something cannot be written; nothing was.
    """
    source = open_source(args)
    target = Target(args, source)
    parts = source.parts_present() if source.view else []
    translation = Translation(source, args, target.heads(parts))
    written = target.write(translation.tensors, parts)
    for path in written:
        out(path)
    for line in translation.report() + [f"note: {note}" for note in source.notes + target.notes]:
        out(line)
    return 0


def open_source(args: argparse.Namespace) -> Subject:
    """Open what is converted: a checkpoint, or a file that Keras saved.

    Arguments:
        args: the parsed command line.

    Returns:
        `Subject`.

    Raises:
        ConfigError: a file that Keras saved needs a configuration and an architecture, and the command line lacks one.
        CheckpointError: it cannot be read, or it is not known well enough for other names or for a Keras model.
    """
    if args.source.endswith(keras_files.SUFFIXES) and os.path.isfile(args.source) and not by_layers(args.source):
        tensors = keras_files.read(args.source, args.config, args.model, args.heads)
        source = Subject(tensors, args.config, args.model, folder=os.path.dirname(args.source) or ".")
    else:
        source = Subject(args.source, args.config, args.model)
    return source.require() if args.to or args.format in KERAS_FORMATS else source


def by_layers(path: str) -> bool:
    """Return whether a file of Keras names the layers of its weights, as Keras 2 does: then it is a checkpoint.

    Arguments:
        path: str. The file.

    Returns:
        bool.
    """
    if path.endswith((".weights.h5", ".keras")):
        return False
    try:
        with open_checkpoint(path) as checkpoint:
            return checkpoint.format == "keras_h5"
    except (CheckpointError, ImportError):
        return False


# ------------------------------------------------------------------------------------------------------- variables


class Chosen(Mapping):
    """A mapping of some variables of a checkpoint under other names; it reads a variable when it is asked for it.

    Arguments:
        checkpoint: `Checkpoint`.
        places: dict from the new name to (function that reads the variable, its shape, its name in the checkpoint).

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.cli.convert import Chosen
        >>> checkpoint = open_checkpoint({"weight": np.ones((2, 3), dtype="float32")})
        >>> chosen = Chosen(checkpoint, {"kernel": (lambda: checkpoint["weight"], (2, 3), "weight")})
        >>> list(chosen), chosen.shape("kernel"), chosen.dtype("kernel")
        (['kernel'], (2, 3), dtype('float32'))
    """

    def __init__(
        self, checkpoint: Checkpoint, places: dict[str, tuple[Callable[[], np.ndarray], tuple[int, ...], str]]
    ) -> None:
        self._checkpoint, self._places = checkpoint, places

    def __getitem__(self, name: str) -> np.ndarray:
        return self._places[name][0]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a variable, without reading it.

        Arguments:
            name: str. The new name of the variable.

        Returns:
            tuple of int.
        """
        return self._places[name][1]

    def dtype(self, name: str) -> np.dtype:
        """Return the dtype of a variable, without reading it.

        Arguments:
            name: str. The new name of the variable.

        Returns:
            numpy dtype.
        """
        return self._checkpoint.dtype(self._places[name][2])

    def keep(self, name: str) -> bool:
        """Add a variable of the checkpoint under its own name, unless names would be misunderstood then.

        Arguments:
            name: str. The name in the checkpoint.

        Returns:
            bool, whether it was added. It is not added if the name is taken, or if another dialect would be recognised
            with it.
        """
        checkpoint = self._checkpoint
        if name in self._places or recognised_dialect(dict.fromkeys([*self, name])) is not recognised_dialect(self):
            return False
        self._places[name] = (lambda: checkpoint[name], checkpoint.shape(name), name)
        return True


class Translation:
    """The variables of a checkpoint under the names that the command line asks for.

    Arguments:
        source: `Subject`. What is converted.
        args: the parsed command line.
        heads: str or None. The names of the heads of the Keras model that is written; None for a checkpoint.

    Attributes:
        tensors: `Chosen`. The variables to write.
        left_out: dict from a kind to a list of names: the variables that are not written.
        kept: list of str. The names that no dialect has; these variables keep them.

    Raises:
        CheckpointError: the dialect has no name for a variable of the network.

    Example:
        >>> from argparse import Namespace
        >>> from b4k3.models.cli.convert import Translation
        >>> from b4k3.models.cli.subject import Subject
        >>> weight = np.ones((2, 3), dtype="float32")
        >>> source = Subject({"kernel": weight, "kernel/adam_m": weight})
        >>> translation = Translation(source, Namespace(to=None, slots=False), None)
        >>> list(translation.tensors), translation.report()
        (['kernel'], ['left out: 1 variables (optimizer slot)'])
    """

    def __init__(self, source: Subject, args: argparse.Namespace, heads: str | None) -> None:
        self.left_out, self.kept = {}, []
        if heads is not None:
            self.tensors = self._built(source, heads)
        elif args.to:
            self.tensors = self._renamed(source, args.to)
        else:
            self.tensors = self._unchanged(source.checkpoint, args.slots)
        if source.checkpoint.skipped:
            self.left_out[NO_NUMBERS] = list(source.checkpoint.skipped)

    def report(self) -> list[str]:
        """Say what is not in the target, and what is in it although no network reads it.

        Returns:
            list of str, the lines.
        """
        lines = []
        for kind, names in sorted(self.left_out.items()):
            line = f"left out: {len(names)} variables ({kind})"
            lines.append(line if kind in NO_WEIGHTS else f"{line}: {listed(names)}")
        if self.kept:
            lines.append(f"kept under their own names, as no dialect has others: {listed(self.kept)}")
        return lines

    def _leave_out(self, kind: str | None, name: str) -> None:
        """Note that a variable of this kind is not written; a variable without a kind is not used."""
        self.left_out.setdefault(kind or NOT_USED, []).append(name)

    def _unchanged(self, checkpoint: Checkpoint, slots: bool) -> Chosen:
        """Choose the variables under the names that they have, with the optimizer's if `slots` says so."""
        found = {}
        for name in checkpoint:
            kind = leftover(name)
            if slots or kind not in NO_WEIGHTS:
                found[name] = (lambda name=name: checkpoint[name], checkpoint.shape(name), name)
            else:
                self._leave_out(kind, name)
        return Chosen(checkpoint, found)

    def _renamed(self, source: Subject, to: str) -> Chosen:
        """Choose the variables of the network, and give them the names of the dialect `to`."""
        view, target = source.view, dialect_named(to, source.network)
        checkpoint = view.checkpoint
        wanted = source.canonicals_that_load()
        for name in checkpoint:  # the variables of another network in the same file that the dialect can name too
            if (source.part_of(name)[1] or "").startswith("model="):
                wanted += [canonical for canonical in view.dialect.canonicals(name) if target.candidates(canonical)]
        found, lost = places(wanted, target)
        if lost:
            raise CheckpointError(f"the names of {target.name} have none for {', '.join(lost[:5])}")
        used = {stored for canonical in wanted for stored in view.dialect.read_names(checkpoint, canonical)}
        chosen = Chosen(checkpoint, {n: place(view, *of, stacked(of[0], target)) for n, of in found.items()})
        for name in checkpoint:
            if name in used:
                continue
            kind = source.part_of(name)[0]
            if kind in (TASK_HEAD, NOT_USED) and chosen.keep(name):
                self.kept.append(name)
            else:
                self._leave_out(kind, name)
        return chosen

    def _built(self, source: Subject, heads: str) -> Chosen:
        """Choose nothing: a Keras model is built from the source itself, and reads its body and its heads there."""
        made = {f"{argument}=True" for argument in keras_files.head_arguments(heads, source.network)} | {LOADS}
        for name in source.checkpoint_read:
            part, loads = source.part_of(name)
            if loads not in made:
                self._leave_out(part, name)
        return Chosen(source.checkpoint, {})


def listed(names: Sequence[str]) -> str:
    """Write the first names, and how many more there are.

    Arguments:
        names: list of str.

    Returns:
        str.
    """
    more = f", … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def place(
    view: View, names: Sequence[str], transposed: bool, stack: bool = False
) -> tuple[Callable[[], np.ndarray], tuple[int, ...], str]:
    """Describe the variable that is joined from variables with canonical names.

    Arguments:
        view: `View` of the checkpoint.
        names: list of str. The canonical names; several ones are joined along the last axis.
        transposed: bool. Whether the new variable is the transposed array.
        stack: bool. Whether the variables are stacked along a new first axis instead.

    Returns:
        (function that reads the variable, its shape, the name of its first part in the checkpoint).
    """
    shape = view.shape(names[0])
    if stack:
        shape = (len(names),) + shape
    elif len(names) > 1:
        shape = shape[:-1] + (len(names) * shape[-1],)

    def read() -> np.ndarray:
        """Read the variable."""
        return joined([view[name] for name in names], transposed, stack)

    return read, shape[::-1] if transposed else shape, view.dialect.find(view.checkpoint, names[0])[0]
