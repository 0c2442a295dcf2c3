"""`b4k3 inspect`: what a checkpoint is, what is in it, and what of it would load."""

from __future__ import annotations

import json
import re

from ..keys import DEFAULTS, LIMITS
from .subject import LOADS, Subject

EXAMPLES = """examples:
  b4k3 inspect chinese_L-12_H-768_A-12
  b4k3 inspect bert_model.ckpt --all
  b4k3 inspect electra_small --model electra_generator
  b4k3 inspect model.safetensors --json | python -m json.tool

exit codes: 0 it would load, 1 it cannot be opened or read, 3 it can be read but would not load; `problems` says why
"""
_NUMBER = re.compile(r"(?<=layer_)\d+|(?<=layer\.)\d+|(?<=group_)\d+|(?<=layer_groups\.)\d+|(?<=albert_layers\.)\d+")
_SHOWN = set(LIMITS) | {"hidden_act", "dropout_rate", "attention_dropout_rate", "layer_norm_eps"}
_ORDER = ("embeddings", "blocks", "pooler", "NSP head", "MLM head", "discriminator head")


def add_arguments(add):
    add("path", help="a checkpoint in any container: prefix, file or folder")
    add("--config", metavar="FILE", help="its configuration, if that is not beside it")
    add("--model", help="its architecture, if that is not to be recognised")
    add("--all", action="store_true", help="list every variable: blocks are not folded, optimizer slots are shown")
    add("--json", action="store_true", help="all of it as one JSON object")


def run(args, out):
    source = Subject(args.path, args.config, args.model)
    facts = describe(source)
    out(json.dumps(facts, ensure_ascii=False) if args.json else "\n".join(text(facts, args.all)))
    return 3 if facts["problems"] else 0


def describe(source):
    """A dict of everything that `inspect` prints; JSON can hold it."""
    checkpoint = source.checkpoint
    variables = [variable(source, name) for name in source.checkpoint_read]
    return {
        "path": source.path,
        "container": checkpoint.format,
        "dialect": None if source.view is None else source.view.dialect.name,
        "model": source.model,
        "what": source.what,
        "config": source.config_file,
        "vocabulary": source.vocabulary,
        "hyperparameters": hyperparameters(source),
        "parts": parts(variables),
        "problems": source.refusals,
        "notes": source.notes + source.untrained_heads(),
        "variables": variables,
        "skipped": checkpoint.skipped,
    }


def variable(source, name):
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


def hyperparameters(source):
    """What the config and the shapes say of the network, under our names."""
    known = source.all_sizes if source.configured else {}
    given = source.known
    return {key: known[key] for key in sorted(_SHOWN) if key in known and given.get(key, DEFAULTS.get(key)) is not None}


def parts(variables):
    """[{part, loads, variables, bytes}], what loads first."""
    found = {}
    for v in variables:
        row = found.setdefault((v["part"], v["loads"]), {"variables": 0, "bytes": 0})
        row["variables"] += 1
        row["bytes"] += v["bytes"]

    def place(key):
        return (key[1] is None, _ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER), key[0])

    return [dict(found[key], part=key[0], loads=key[1]) for key in sorted(found, key=place)]


# ------------------------------------------------------------------------------------------------------- as text


def size(count):
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return ("%d %s" if unit == "B" else "%.1f %s") % (count, unit)
        count /= 1000.0


def text(facts, everything):
    """The lines of a report."""
    total = sum(v["bytes"] for v in facts["variables"])
    heading = [
        ("container", "%s, %d variables, %s" % (facts["container"], len(facts["variables"]), size(total))),
        ("names", facts["dialect"] or "of no known dialect"),
        ("model", "%s (%s)" % (facts["model"] or "not recognised", facts["what"] or "unknown names")),
        ("config", facts["config"] or "none found"),
        ("vocabulary", facts["vocabulary"] or "none found"),
    ]
    lines = [facts["path"]] + ["  %-12s%s" % pair for pair in heading]
    for title in ("problems", "notes"):
        lines += section(title, facts[title])
    values = ["%s = %s" % pair for pair in facts["hyperparameters"].items()]
    lines += section("hyper-parameters", columns(values))
    lines += section("parts", [part_line(part) for part in facts["parts"]])
    shown = [v for v in facts["variables"] if everything or v["part"] not in ("optimizer slot", "training state")]
    lines += section("variables", variable_lines(shown, everything))
    return lines + section("not numbers", ["%s  %s" % pair for pair in sorted(facts["skipped"].items())])


def section(title, rows):
    return ["", title] + ["  " + row for row in rows] if rows else []


def columns(values, width=38):
    rows = [values[i : i + 3] for i in range(0, len(values), 3)]
    return ["".join(value.ljust(width) for value in row).rstrip() for row in rows]


def part_line(part):
    loads = {None: "left out", LOADS: "loads"}.get(part["loads"], "loads with %s" % part["loads"])
    return "%-20s%5d variables %10s   %s" % (part["part"], part["variables"], size(part["bytes"]), loads)


def variable_lines(variables, everything):
    """One line for each variable; those that differ in the number of their block only are folded into one."""
    folded = {}
    for v in variables:
        name = v["name"] if everything else _NUMBER.sub("#", v["name"])
        key = (name, tuple(v["shape"]), v["dtype"])
        folded.setdefault(key, []).append(v)
    width = min(90, max([len(name) for name, _, _ in folded] or [0]))
    lines = []
    for (name, shape, dtype), group in folded.items():
        row = "%s  %-9s %-15s %9s" % (name.ljust(width), dtype, list(shape), size(sum(v["bytes"] for v in group)))
        times = "  × %d" % len(group) if len(group) > 1 else ""
        mark = "" if group[0]["loads"] else "  (%s)" % group[0]["part"]
        lines.append((row + times + mark).rstrip())
    return lines
