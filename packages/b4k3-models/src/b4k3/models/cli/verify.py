"""`b4k3 verify`: is a checkpoint whole, and do two checkpoints hold and compute the same."""

from __future__ import annotations

import json
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from ..errors import ConfigError
from .subject import Subject
from .text_input import compare_vocabulary, need_vocabulary, open_lines, open_tokenizer

if TYPE_CHECKING:
    import argparse

    from numpy.typing import ArrayLike, NDArray

EXAMPLES = """examples:
  b4k3 verify chinese_L-12_H-768_A-12
  b4k3 verify chinese_L-12_H-768_A-12 bert-chinese-huggingface
  b4k3 verify original/bert_model.ckpt converted/model.safetensors --text lines.txt --vocab vocab.txt
  b4k3 verify float32 half --tolerance 1e-2 --json

With one checkpoint: every variable is read and its checksum compared (TensorFlow's files and .npz have checksums,
safetensors and HDF5 none), and not-a-number, infinities and a vocabulary that does not fit are looked for.
With two, which may have other names and containers: the variables are compared, then the same ids go through both
networks, which needs a Keras, and the worst difference of each block is printed.

exit codes: 0 whole, and the same within --tolerance; 1 damaged or unreadable; 3 not the same, or not finite
"""
CHECKSUMS = ("tf", "tf_v1", "npz")  # the containers that have them
NOT_COMPARABLE = 1e300  # a difference that JSON can hold, where the real one is not finite or not defined
LONGEST = 512  # tokens of a line that is compared on
LINES = 64  # that are read of --text


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("path", help="a checkpoint in any container: prefix, file or folder")
    add("other", nargs="?", help="another one, to compare")
    add("--config", metavar="FILE", help="configuration of PATH, if it is not beside it")
    add("--other-config", metavar="FILE", help="configuration of OTHER")
    add("--model", help="architecture of both, if it is not to be recognised")
    add("--text", metavar="FILE", help="lines to compare on; without it, random ids")
    add("--vocab", metavar="FILE", help="vocabulary for --text, if it is not beside PATH")
    add("--tolerance", type=float, default=1e-4, help="largest difference, relative to the largest value (%(default)s)")
    add("--variables", action="store_true", help="compare the variables only, which needs no Keras")
    add("--json", action="store_true", help="the answer as one JSON object")


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        CheckpointError: a checkpoint cannot be read, a checksum in it is wrong, or two cannot be compared.
        ConfigError: a configuration cannot be read, or a vocabulary belongs to another checkpoint.
        FileNotFoundError: `--text` is given and there is no vocabulary.
    """
    source = Subject(args.path, args.config, args.model)
    facts: dict[str, Any] = {"path": args.path, "whole": _whole(source)}
    facts["notes"] = _vocabulary_notes(source)
    if args.other is not None:
        other = Subject(args.other, args.other_config, args.model)
        facts.update(other=args.other, variables=_variables(source.require(), other.require()))
        if not args.variables:
            ids, mask = ids_for(source, other, args)
            facts["blocks"] = _blocks(source, other, ids, mask)
    facts["same"] = _is_same(facts, args.tolerance)
    out(json.dumps(facts, ensure_ascii=False) if args.json else "\n".join(_text(facts)))
    return 0 if facts["same"] and not facts["whole"]["not_finite"] else 3


def _is_same(facts: dict[str, Any], tolerance: float) -> bool:
    """Ask whether two checkpoints are the same within the tolerance. One alone is the same as itself."""
    compared = facts.get("variables", {})
    if compared.get("only_in_first") or compared.get("only_in_second") or compared.get("other_shape"):
        return False
    measured = facts.get("blocks", compared.get("differing", []))
    return not any(row["difference"] > tolerance * max(row["largest"], 1e-30) for row in measured)


def _whole(source: Subject) -> dict[str, Any]:
    """Read every variable. If a checksum is wrong or bytes are missing, reading raises CheckpointError."""
    checkpoint = source.checkpoint
    broken = []
    for name in checkpoint:
        array = checkpoint[name]
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            broken.append(name)
    return {"variables": len(checkpoint), "checksums": checkpoint.format in CHECKSUMS, "not_finite": broken}


def _vocabulary_notes(source: Subject) -> list[str]:
    """Write a note on the vocabulary beside a checkpoint, unless it fits. ConfigError says that it is another's."""
    if source.vocabulary is None or source.model is None:
        return []
    try:
        note = compare_vocabulary(open_tokenizer(source.vocabulary), source.vocabulary, source)
    except ConfigError:
        raise
    except (ImportError, ValueError) as error:  # there are no tokenizers, or they do not read such a file
        note = f"the vocabulary was not looked at: {error}"
    return [note] if note else []


# ------------------------------------------------------------------------------------------------------- compare


def _variables(first: Subject, second: Subject) -> dict[str, Any]:
    """Compare the variables of two checkpoints by their canonical names. An optimizer's variables do not count."""
    names = [set(source.canonicals_that_load()) for source in (first, second)]
    both = sorted(names[0] & names[1])
    other_shape = [name for name in both if first.view.shape(name) != second.view.shape(name)]
    rows: list[dict[str, Any]] = [
        dict(_measure(first.view[name], second.view[name]), variable=name) for name in both if name not in other_shape
    ]
    return {
        "same": sum(row["difference"] == 0 for row in rows),
        "differing": [row for row in rows if row["difference"] > 0],
        "other_shape": other_shape,
        "only_in_first": sorted(names[0] - names[1]),
        "only_in_second": sorted(names[1] - names[0]),
    }


def _measure(a: ArrayLike, b: ArrayLike) -> dict[str, float]:
    """Measure the largest difference of two arrays of one shape, and the largest absolute value in the first one."""
    a, b = (np.asarray(x, dtype="float64") for x in (a, b))
    if not a.size or np.array_equal(a, b):
        return {"difference": 0.0, "largest": float(np.abs(a).max()) if a.size else 0.0}
    difference = float(np.abs(a - b).max())
    largest = float(np.abs(a).max())
    return {"difference": difference if np.isfinite(difference) else NOT_COMPARABLE, "largest": largest}


def ids_for(first: Subject, second: Subject, args: argparse.Namespace) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Choose the ids that go through both networks: the lines of `--text`, or random ids.

    Arguments:
        first: `Subject`. Its vocabulary and its padding id are used.
        second: `Subject`.
        args: the parsed command line.

    Returns:
        ids: int, [rows, n], right-padded.
        mask: bool, [rows, n]. False at the padding.

    Raises:
        ConfigError: the text cannot be read, or the vocabulary belongs to another checkpoint.
        FileNotFoundError: there is no vocabulary.
    """
    padding_id = max(first.all_sizes["pad_token_id"], 0)  # any id will do where none is padding: it comes last
    rows = min(source.all_sizes["vocab_size"] for source in (first, second))
    length = min([source.longest or LONGEST for source in (first, second)] + [LONGEST])
    if args.text is None:
        random = np.random.RandomState(0)
        n = min(32, length)
        ids = random.randint(1, rows, (4, n))
        ids[ids <= padding_id] -= 1  # so the padding id is no token, and every other id may be one
        mask = np.arange(n) < np.linspace(n, n // 2, 4).astype(int)[:, None]
        return np.where(mask, ids, padding_id), mask

    path = need_vocabulary(first, args.vocab)
    tokenizer = open_tokenizer(path)
    compare_vocabulary(tokenizer, path, first)
    with open_lines(args.text) as f:
        lines = [line.rstrip("\r\n") for line in islice(f, LINES)]
    encoded = tokenizer.encode_batch(lines, maxlen=length, padding=False).ids
    ids = np.full((len(lines), max(map(len, encoded), default=0)), padding_id, dtype="int64")
    for row, values in zip(ids, encoded):
        row[: len(values)] = values
    return ids, np.arange(ids.shape[1]) < np.array(list(map(len, encoded)))[:, None]


def _blocks(first: Subject, second: Subject, ids: NDArray[Any], mask: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Compare what two networks give for the same ids, after the embeddings and after each block, padding apart."""
    outputs = [_block_outputs(source, ids) for source in (first, second)]
    rows = []
    for i, (a, b) in enumerate(zip(*outputs)):
        if a.shape != b.shape:
            rows.append({"block": i, "difference": NOT_COMPARABLE, "largest": 0.0})
        else:
            rows.append(dict(_measure(a[mask], b[mask]), block=i))
    if len(outputs[0]) != len(outputs[1]):
        rows.append({"block": len(rows), "difference": NOT_COMPARABLE, "largest": 0.0})
    return rows


def _block_outputs(source: Subject, ids: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Compute the embeddings and the output of each block, [rows, n, d] each; of an encoder-decoder, of its halves."""
    from ..builder import build_transformer_model
    from ..registry import architecture

    cls = architecture(source.model)
    if getattr(cls, "has_two_halves", False):
        return _half_outputs(build_transformer_model(return_keras_model=False, **source.arguments), ids)
    recorded = []

    class Recorded(cls):
        """The body of the network, with the output of every block as an output of the model."""

        def call(self, inputs: Any) -> list[Any]:
            x = self.apply_embeddings(inputs)
            recorded.append(x)
            for i in range(self.num_hidden_layers):
                x = self.apply_main_layers(x, i)
                recorded.append(x)
            return list(recorded)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the heads in the file are left unread on purpose
        arguments = dict(source.arguments, model=Recorded, ignore_unread_weights=True)
        model = build_transformer_model(**arguments)
    inputs = [ids] + [np.zeros_like(ids)] * (len(model.inputs) - 1)
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return [np.asarray(x, dtype="float64") for x in outputs]


def _half_outputs(transformer: Any, ids: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Compute the output of the encoder, and the output of the decoder that reads the same ids."""
    outputs = [transformer.encoder.predict(ids, verbose=0), transformer.model.predict([ids, ids], verbose=0)]
    return [np.asarray(x, dtype="float64") for x in outputs]


# ------------------------------------------------------------------------------------------------------- as text


def _text(facts: dict[str, Any]) -> list[str]:
    """Write what was found as the lines of a report."""
    found = facts["whole"]
    how = "checksums right" if found["checksums"] else "readable; this container has no checksums"
    lines = [f"{facts['path']}: {found['variables']} variables, {how}"]
    lines += [f"not finite: {name}" for name in found["not_finite"]]
    lines += [f"note: {note}" for note in facts["notes"]]
    if "variables" in facts:
        lines += _variable_lines(facts)
    for row in facts.get("blocks", ()):
        name = f"block {row['block'] - 1}" if row["block"] else "embeddings"
        if row["difference"] == NOT_COMPARABLE:
            lines.append(f"{name:12} cannot be compared: only one has it, the shapes differ, or a value is not finite")
        else:
            lines.append(f"{name:12} worst difference {row['difference']:.3g} of {row['largest']:.3g}")
    if "variables" in facts:
        lines.append("the same, within the tolerance" if facts["same"] else "NOT the same")
    return lines


def _variable_lines(facts: dict[str, Any]) -> list[str]:
    """Write lines about the variables of two checkpoints; of the different ones, the ten that differ most."""
    compared = facts["variables"]
    lines = [f"{compared['same']} variables are equal, {len(compared['differing'])} differ"]
    for row in sorted(compared["differing"], key=lambda row: -row["difference"])[:10]:
        lines.append(f"  {row['variable']}: {row['difference']:.3g} of {row['largest']:.3g}")
    lines += [f"  of other shapes: {name}" for name in compared["other_shape"]]
    for key, path in (("only_in_first", facts["path"]), ("only_in_second", facts["other"])):
        lines += [f"  only in {path}: {name}" for name in compared[key]]
    return lines
