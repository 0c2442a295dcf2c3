"""`b4k3 verify`: is a checkpoint whole, and do two checkpoints hold and compute the same."""

from __future__ import annotations

import json
import warnings
from itertools import islice

import numpy as np

from ..errors import ConfigError
from .subject import Subject
from .text import compare_vocabulary, need_vocabulary, open_lines, open_tokenizer

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
CHECKSUMS = ("tf", "tf_v1", "npz")


def add_arguments(add):
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


def run(args, out):
    source = Subject(args.path, args.config, args.model)
    facts = {"path": args.path, "whole": whole(source)}
    facts["notes"] = vocabulary_notes(source)
    if args.other is not None:
        other = Subject(args.other, args.other_config, args.model)
        facts.update(other=args.other, variables=variables(source.require(), other.require()))
        if not args.variables:
            ids, mask = ids_for(source, other, args)
            facts["blocks"] = blocks(source, other, ids, mask)
    facts["same"] = verdict(facts, args.tolerance)
    out(json.dumps(facts, ensure_ascii=False) if args.json else "\n".join(text(facts)))
    return 0 if facts["same"] and not facts["whole"]["not_finite"] else 3


def verdict(facts, tolerance):
    """Whether two checkpoints are the same within the tolerance; True for one alone."""
    compared = facts.get("variables", {})
    if compared.get("only_in_first") or compared.get("only_in_second") or compared.get("other_shape"):
        return False
    measured = facts.get("blocks", compared.get("differing", []))
    return not any(row["difference"] > tolerance * max(row["largest"], 1e-30) for row in measured)


def whole(source):
    """Read every variable. Raises: CheckpointError: a checksum is wrong, or bytes are missing."""
    checkpoint = source.checkpoint
    broken = []
    for name in checkpoint:
        array = checkpoint[name]
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            broken.append(name)
    return {"variables": len(checkpoint), "checksums": checkpoint.format in CHECKSUMS, "not_finite": broken}


def vocabulary_notes(source):
    if source.vocabulary is None or source.model is None:
        return []
    try:
        note = compare_vocabulary(open_tokenizer(source.vocabulary), source.vocabulary, source)
    except ImportError as e:
        note = "the vocabulary was not looked at: %s" % e
    except ConfigError:
        raise
    except ValueError as e:  # of a kind that the tokenizers do not read
        note = "the vocabulary was not looked at: %s" % e
    return [note] if note else []


# ------------------------------------------------------------------------------------------------------- compare


def variables(first, second):
    """What the variables of two checkpoints that are parts of the network have in common, by canonical names."""
    names = [set(source.canonicals_that_load()) for source in (first, second)]
    both = sorted(names[0] & names[1])
    other_shape = [name for name in both if first.view.shape(name) != second.view.shape(name)]
    rows = [
        dict(measure(first.view[name], second.view[name]), variable=name) for name in both if name not in other_shape
    ]
    return {
        "same": sum(row["difference"] == 0 for row in rows),
        "differing": [row for row in rows if row["difference"] > 0],
        "other_shape": other_shape,
        "only_in_first": sorted(names[0] - names[1]),
        "only_in_second": sorted(names[1] - names[0]),
    }


def measure(a, b):
    """The largest difference of two arrays, and the largest value; a difference that is not finite is infinite."""
    a, b = (np.asarray(x, dtype="float64") for x in (a, b))
    if not a.size or np.array_equal(a, b):
        return {"difference": 0.0, "largest": float(np.abs(a).max()) if a.size else 0.0}
    difference = float(np.abs(a - b).max())
    return {"difference": difference if np.isfinite(difference) else 1e300, "largest": float(np.abs(a).max())}


def ids_for(first, second, args):
    """(int [rows, n], lines of --text or random ids, padded with the first network's padding id; bool mask)."""
    padding_id = max(first.all_sizes["pad_token_id"], 0)  # any id will do where none is padding: it comes last
    rows = min(source.all_sizes["vocab_size"] for source in (first, second))
    length = min([source.longest or 512 for source in (first, second)] + [512])
    if args.text is None:
        random = np.random.RandomState(0)
        n = min(32, length)
        ids = random.randint(1, rows, (4, n))
        ids[ids <= padding_id] -= 1  # every id but that of padding
        mask = np.arange(n) < np.linspace(n, n // 2, 4).astype(int)[:, None]
        return np.where(mask, ids, padding_id), mask

    path = need_vocabulary(first, args.vocab)
    tokenizer = open_tokenizer(path)
    compare_vocabulary(tokenizer, path, first)
    with open_lines(args.text) as f:
        lines = [line.rstrip("\r\n") for line in islice(f, 64)]
    encoded = tokenizer.encode_batch(lines, maxlen=length, padding=False).ids
    ids = np.full((len(lines), max(map(len, encoded), default=0)), padding_id, dtype="int64")
    for row, values in zip(ids, encoded):
        row[: len(values)] = values
    return ids, np.arange(ids.shape[1]) < np.array(list(map(len, encoded)))[:, None]


def blocks(first, second, ids, mask):
    """[{block, difference, largest}]: the outputs of the embeddings and of each block, apart from padding."""
    outputs = [block_outputs(source, ids) for source in (first, second)]
    rows = []
    for i, (a, b) in enumerate(zip(*outputs)):
        if a.shape != b.shape:
            rows.append({"block": i, "difference": 1e300, "largest": 0.0})
            continue
        rows.append(dict(measure(a[mask], b[mask]), block=i))
    if len(outputs[0]) != len(outputs[1]):
        rows.append({"block": len(rows), "difference": 1e300, "largest": 0.0})
    return rows


def block_outputs(source, ids):
    """[embeddings, first block, …], each [rows, n, d]; of an encoder-decoder the outputs of its two halves."""
    from ..builder import build_transformer_model
    from ..registry import architecture

    cls = architecture(source.model)
    if getattr(cls, "has_two_halves", False):
        return half_outputs(build_transformer_model(return_keras_model=False, **source.arguments), ids)
    recorded = []

    class Recorded(cls):
        """The body of the network, with the output of every block."""

        def call(self, inputs):
            x = self.apply_embeddings(inputs)
            recorded.append(x)
            for i in range(self.num_hidden_layers):
                x = self.apply_main_layers(x, i)
                recorded.append(x)
            return list(recorded)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the body reads no head, nor what stands before one
        arguments = dict(source.arguments, model=Recorded, ignore_unread_weights=True)
        model = build_transformer_model(**arguments)
    inputs = [ids] + [np.zeros_like(ids)] * (len(model.inputs) - 1)
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return [np.asarray(x, dtype="float64") for x in outputs]


def half_outputs(transformer, ids):
    """[output of the encoder, output of the decoder on the same ids]."""
    outputs = [transformer.encoder.predict(ids, verbose=0), transformer.model.predict([ids, ids], verbose=0)]
    return [np.asarray(x, dtype="float64") for x in outputs]


# ------------------------------------------------------------------------------------------------------- as text


def text(facts):
    found = facts["whole"]
    how = "checksums right" if found["checksums"] else "readable; this container has no checksums"
    lines = ["%s: %d variables, %s" % (facts["path"], found["variables"], how)]
    lines += ["not finite: %s" % name for name in found["not_finite"]]
    lines += ["note: %s" % note for note in facts["notes"]]
    if "variables" in facts:
        lines += variable_lines(facts)
    for row in facts.get("blocks", ()):
        name = "block %d" % (row["block"] - 1) if row["block"] else "embeddings"
        lines.append("%-12s worst difference %.3g of %.3g" % (name, row["difference"], row["largest"]))
    if "variables" in facts:
        lines.append("the same, within the tolerance" if facts["same"] else "NOT the same")
    return lines


def variable_lines(facts):
    compared = facts["variables"]
    lines = ["%d variables are equal, %d differ" % (compared["same"], len(compared["differing"]))]
    for row in sorted(compared["differing"], key=lambda row: -row["difference"])[:10]:
        lines.append("  %s: %.3g of %.3g" % (row["variable"], row["difference"], row["largest"]))
    lines += ["  of other shapes: %s" % name for name in compared["other_shape"]]
    for key, path in (("only_in_first", facts["path"]), ("only_in_second", facts["other"])):
        lines += ["  only in %s: %s" % (path, name) for name in compared[key]]
    return lines
