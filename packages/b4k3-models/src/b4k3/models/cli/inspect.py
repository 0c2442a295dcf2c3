"""`b4k3 inspect`: what a checkpoint is, what is in it, and what of it would load."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable, Sequence

from ..keys import DEFAULTS, LIMITS
from .subject import LOADS, Subject

if TYPE_CHECKING:
    import argparse

EXAMPLES = """examples:
  b4k3 inspect chinese_L-12_H-768_A-12
  b4k3 inspect bert_model.ckpt --all
  b4k3 inspect electra_small --model electra_generator
  b4k3 inspect model.safetensors --json | python -m json.tool

exit codes: 0 it would load, 1 it cannot be opened or read, 3 it can be read but would not load; `problems` says why
"""
# the number of a block in the names of the projects that b4k3 reads
_NUMBER = re.compile(r"(?<=layer_)\d+|(?<=layer\.)\d+|(?<=group_)\d+|(?<=layer_groups\.)\d+|(?<=albert_layers\.)\d+")
_SHOWN = set(LIMITS) | {"hidden_act", "dropout_rate", "attention_dropout_rate", "layer_norm_eps"}
_ORDER = ("embeddings", "blocks", "pooler", "NSP head", "MLM head", "discriminator head")


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("path", help="a checkpoint in any container: prefix, file or folder")
    add("--config", metavar="FILE", help="its configuration, if that is not beside it")
    add("--model", help="its architecture, if that is not to be recognised")
    add("--all", action="store_true", help="list every variable: blocks are not folded, optimizer slots are shown")
    add("--json", action="store_true", help="all of it as one JSON object")


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: the name for `--model` is unknown, or the configuration cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    source = Subject(args.path, args.config, args.model)
    facts = describe(source)
    out(json.dumps(facts, ensure_ascii=False) if args.json else "\n".join(_text(facts, args.all)))
    return 3 if facts["problems"] else 0


def describe(source: Subject) -> dict[str, Any]:
    """Collect everything that the command prints.

    Arguments:
        source: `Subject`. The checkpoint.

    Returns:
        dict that JSON can hold. `--json` prints it.
    """
    checkpoint = source.checkpoint
    variables = [_variable(source, name) for name in source.checkpoint_read]
    return {
        "path": source.path,
        "container": checkpoint.format,
        "dialect": None if source.view is None else source.view.dialect.name,
        "model": source.model,
        "what": source.what,
        "config": source.config_file,
        "vocabulary": source.vocabulary,
        "hyperparameters": _hyperparameters(source),
        "parts": _parts(variables),
        "problems": source.refusals,
        "notes": source.notes + source.untrained_heads(),
        "variables": variables,
        "skipped": checkpoint.skipped,
    }


def _variable(source: Subject, name: str) -> dict[str, Any]:
    """Describe one variable: its names, its shape and dtype, its part and what makes it load."""
    known = None if source.view is None else source.view.dialect.canonical(name)
    canonical = None if known is None else known[0]
    part, loads = source.part_of(name)
    checkpoint = source.checkpoint_read
    return {
        "name": name,
        "canonical": canonical,
        "shape": list(checkpoint.shape(name)),
        "dtype": checkpoint.stored_dtype(name),
        "bytes": checkpoint.nbytes(name),
        "part": part,
        "loads": loads if source.model else None,
    }


def _hyperparameters(source: Subject) -> dict[str, Any]:
    """Collect what the config and the shapes say of the network, under our names."""
    known = source.all_sizes if source.configured else {}
    given = source.known
    return {key: known[key] for key in sorted(_SHOWN) if key in known and given.get(key, DEFAULTS.get(key)) is not None}


def _parts(variables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the variables of each part and their bytes. What loads comes first."""
    found: dict[tuple[str, str | None], dict[str, int]] = {}
    for v in variables:
        row = found.setdefault((v["part"], v["loads"]), {"variables": 0, "bytes": 0})
        row["variables"] += 1
        row["bytes"] += v["bytes"]

    def place(key: tuple[str, str | None]) -> tuple[bool, int, str]:
        """Order the parts: first the parts that load, then as in `_ORDER`, then by name."""
        return (key[1] is None, _ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER), key[0])

    return [dict(found[key], part=key[0], loads=key[1]) for key in sorted(found, key=place)]


# ------------------------------------------------------------------------------------------------------- as text


def _size(count: float) -> str:
    """Write a number of bytes in the unit that leaves at most three digits before the point."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} GB"


def _text(facts: dict[str, Any], everything: bool) -> list[str]:
    """Write what `describe` found as the lines of a report."""
    total = sum(v["bytes"] for v in facts["variables"])
    heading = [
        ("container", f"{facts['container']}, {len(facts['variables'])} variables, {_size(total)}"),
        ("names", facts["dialect"] or "of no known dialect"),
        ("model", f"{facts['model'] or 'not recognised'} ({facts['what'] or 'unknown names'})"),
        ("config", facts["config"] or "none found"),
        ("vocabulary", facts["vocabulary"] or "none found"),
    ]
    lines = [facts["path"]] + [f"  {title:12}{value}" for title, value in heading]
    for title in ("problems", "notes"):
        lines += _section(title, facts[title])
    values = [f"{key} = {value}" for key, value in facts["hyperparameters"].items()]
    lines += _section("hyper-parameters", _columns(values))
    lines += _section("parts", [_part_line(part) for part in facts["parts"]])
    shown = [v for v in facts["variables"] if everything or v["part"] not in ("optimizer slot", "training state")]
    lines += _section("variables", _variable_lines(shown, everything))
    return lines + _section("not numbers", [f"{name}  {dtype}" for name, dtype in sorted(facts["skipped"].items())])


def _section(title: str, rows: Sequence[str]) -> list[str]:
    """Put an empty line and a title before the rows. Without rows there is no section."""
    return ["", title] + ["  " + row for row in rows] if rows else []


def _columns(values: Sequence[str], width: int = 38) -> list[str]:
    """Write three values in a line."""
    rows = [values[i : i + 3] for i in range(0, len(values), 3)]
    return ["".join(value.ljust(width) for value in row).rstrip() for row in rows]


def _part_line(part: dict[str, Any]) -> str:
    """Write a line about one part."""
    loads = {None: "left out", LOADS: "loads"}.get(part["loads"], f"loads with {part['loads']}")
    return f"{part['part']:20}{part['variables']:5} variables {_size(part['bytes']):>10}   {loads}"


def _variable_lines(variables: Sequence[dict[str, Any]], everything: bool) -> list[str]:
    """Write a line for each variable, or one line for all variables that differ only in the number of their block."""
    folded: dict[tuple[str, tuple[int, ...], str], list[dict[str, Any]]] = {}
    for v in variables:
        name = v["name"] if everything else _NUMBER.sub("#", v["name"])
        key = (name, tuple(v["shape"]), v["dtype"])
        folded.setdefault(key, []).append(v)
    width = min(90, max([len(name) for name, _, _ in folded] or [0]))
    lines = []
    for (name, shape, dtype), group in folded.items():
        total = _size(sum(v["bytes"] for v in group))
        row = f"{name.ljust(width)}  {dtype:9} {str(list(shape)):15} {total:>9}"
        times = f"  × {len(group)}" if len(group) > 1 else ""
        mark = "" if group[0]["loads"] else f"  ({group[0]['part']})"
        lines.append((row + times + mark).rstrip())
    return lines
