"""`b4k3 convert`: any checkpoint in other names or another container, with its config and vocabulary."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping

from ..checkpoints import WRITABLE, CheckpointError, open_checkpoint, save_checkpoint
from ..checkpoints._files import is_regular
from ..checkpoints._staging import Staging
from ..dialects import joined, places
from ..errors import ConfigError
from ..leftovers import OPTIMIZER_SLOT, TRAINING_STATE, leftover
from ..loading import dialect_named
from . import keras_files
from .configs import google_config, huggingface_config
from .subject import Subject
from .text import has_capitals

EXAMPLES = """examples:
  b4k3 convert chinese_L-12_H-768_A-12 bert-chinese --to huggingface
  b4k3 convert bert-base-chinese chinese_bert --to google
  b4k3 convert electra_small generator --to huggingface --model electra_generator
  b4k3 convert bert_model.ckpt half.safetensors --dtype float16
  b4k3 convert chinese_L-12_H-768_A-12 encoder.weights.h5 --heads pool
  b4k3 convert encoder.weights.h5 bert --to google --config bert_config.json --model bert --heads pool

TARGET is a folder, which gets checkpoint, config and vocabulary; or, if it ends in .safetensors, .npz, .ckpt,
.weights.h5, .keras or .h5, a file, which gets the checkpoint alone. Without --to the names stay as they are.
Optimizer slots are left out. Only .weights.h5, .keras and .h5 need a Keras.

exit codes: 0 converted, 1 not converted, and nothing was written
"""
SUFFIXES = (
    (".safetensors", "safetensors"),
    (".npz", "npz"),
    (".ckpt", "tf"),
    (".weights.h5", "weights.h5"),
    (".keras", "keras"),
    (".h5", "keras"),
)
USUAL = {"huggingface": "safetensors", "google": "tf"}  # dialect -> container
FILES = {"safetensors": "model.safetensors", "tf": "MODEL_model.ckpt", "npz": "model.npz"}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
NO_WEIGHTS = (OPTIMIZER_SLOT, TRAINING_STATE)


def add_arguments(add):
    add("source", help="a checkpoint in any container: prefix, file or folder")
    add("target", help="folder or file to write")
    add("--to", metavar="NAMES", help="google, huggingface or another dialect; its usual container and config go along")
    add("--format", choices=sorted({format for _, format in SUFFIXES}), help="container, if not the usual one")
    add("--config", metavar="FILE", help="the configuration, if it is not beside SOURCE")
    add("--model", help="the architecture, if it is not to be recognised")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the config that is written")
    add("--dtype", choices=("float32", "float16", "bfloat16", "float64"), help="what floating variables are stored as")
    add("--max-shard-size", type=shard_size, metavar="SIZE", help="begin a further file there: 2GB, 500MB")
    add("--heads", metavar="LIST", help="of a Keras model: pool,nsp,mlm,discriminator (default: what SOURCE has)")
    add("--slots", action="store_true", help="keep optimizer slots and training state, where the names stay")
    add("--force", action="store_true", help="replace what TARGET holds")


def shard_size(text):
    """'2GB' -> 2 * 10**9."""
    match = re.match(r"(\d+)\s*([kMG]?)B?$", text)
    if not match or not int(match.group(1)):
        raise ValueError(text)
    return int(match.group(1)) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match.group(2)]


def run(args, out):
    source = open_source(args)
    target = Target(args, source)
    tensors, left_out = translation(source, args)
    written = target.write(tensors, source.parts_present() if source.view else [])
    for path in written:
        out(path)
    for kind, count in sorted(left_out.items()):
        out("left out: %d variables (%s)" % (count, kind))
    for note in source.notes + target.notes:
        out("note: %s" % note)
    return 0


def open_source(args):
    if args.source.endswith(keras_files.SUFFIXES) and os.path.isfile(args.source) and not by_layers(args.source):
        tensors = keras_files.read(args.source, args.config, args.model, args.heads)
        source = Subject(tensors, args.config, args.model, folder=os.path.dirname(args.source) or ".")
    else:
        source = Subject(args.source, args.config, args.model)
    return source.require() if args.to or args.format in ("weights.h5", "keras") else source


def by_layers(path):
    """Whether a file of Keras names the layers of its weights, as Keras 2 writes it: then it is a checkpoint."""
    if path.endswith((".weights.h5", ".keras")):
        return False
    try:
        with open_checkpoint(path) as checkpoint:
            return checkpoint.format == "keras_h5"
    except (CheckpointError, ImportError):
        return False


# ------------------------------------------------------------------------------------------------------- variables


class Chosen(Mapping):
    """Some variables of a checkpoint under other names, read when they are asked for.

    Arguments:
        checkpoint: `Checkpoint`.
        places: dict from new name to (function that reads it, its shape, its name in the checkpoint).
    """

    def __init__(self, checkpoint, places):
        self._checkpoint, self._places = checkpoint, places

    def __getitem__(self, name):
        return self._places[name][0]()

    def __iter__(self):
        return iter(self._places)

    def __len__(self):
        return len(self._places)

    def shape(self, name):
        return self._places[name][1]

    def dtype(self, name):
        return self._checkpoint.dtype(self._places[name][2])


def translation(source, args):
    """(`Chosen`, Counter of what was left out) under the names that are asked for.

    Raises:
        CheckpointError: the dialect has no name for a variable of the network.
    """
    return renamed(source, args.to) if args.to else unchanged(source.checkpoint, args.slots)


def unchanged(checkpoint, slots):
    kinds = {name: leftover(name) for name in checkpoint}
    kept = [name for name in checkpoint if slots or kinds[name] not in NO_WEIGHTS]
    places = {name: (lambda name=name: checkpoint[name], checkpoint.shape(name), name) for name in kept}
    return Chosen(checkpoint, places), Counter(kinds[name] for name in checkpoint if name not in places)


def renamed(source, to):
    view, target = source.view, dialect_named(to, source.network)
    checkpoint = view.checkpoint
    wanted = source.canonicals_that_load()
    for name in checkpoint:  # and what is another network's that lies in the same file
        if (source.part_of(name)[1] or "").startswith("model="):
            wanted += [canonical for canonical in view.dialect.canonicals(name) if target.candidates(canonical)]
    found, lost = places(wanted, target)
    if lost:
        raise CheckpointError("the names of %s have none for %s" % (target.name, ", ".join(lost[:5])))
    used = {stored for canonical in wanted for stored in view.dialect.read_names(checkpoint, canonical)}
    kinds = Counter(source.part_of(name)[0] for name in checkpoint if name not in used)
    return Chosen(checkpoint, {name: place(view, *found[name]) for name in found}), kinds


def place(view, names, transposed):
    """(function that reads it, shape, a name in the checkpoint) of what joins some canonical names."""
    shape = view.shape(names[0])
    shape = shape[:-1] + (len(names) * shape[-1],) if len(names) > 1 else shape

    def read():
        return joined([view[name] for name in names], transposed)

    return read, shape[::-1] if transposed else shape, view.dialect.find(view.checkpoint, names[0])[0]


def common_dtype(checkpoint):
    """'bfloat16' if all floating variables are stored so, which reading widens; else None."""
    floats = {checkpoint.stored_dtype(name) for name in checkpoint if "float" in checkpoint.stored_dtype(name)}
    return "bfloat16" if floats == {"bfloat16"} else None


# ---------------------------------------------------------------------------------------------------------- files


class Target:
    """Where to write, and what: a file, or a folder with config and vocabulary.

    Raises:
        ConfigError: something is there already, or the container cannot be written.
    """

    def __init__(self, args, source):
        self.args, self.source, self.notes = args, source, []
        path = args.target.rstrip("/") or args.target
        suffix = [format for end, format in SUFFIXES if path.endswith(end) and not os.path.isdir(path)][:1]
        self.folder = None if suffix else path
        self.format = args.format or (suffix and suffix[0]) or USUAL.get(args.to) or source.checkpoint.format
        if self.format not in [format for _, format in SUFFIXES]:
            raise ConfigError("%s: say a --format, %s cannot be written" % (path, source.checkpoint.format))
        if self.format not in WRITABLE and (args.dtype or args.max_shard_size or args.to):
            raise ConfigError("%s: --to, --dtype and --max-shard-size are not for files of Keras" % path)
        if suffix and suffix[0] != self.format:
            raise ConfigError("%s: the name says %s, --format says %s" % (path, suffix[0], self.format))
        name = FILES.get(self.format, "model." + self.format)
        name = name.replace("MODEL_", f"{source.model}_" if source.model else "")
        self.path = os.path.join(path, name) if self.folder else path
        for existing in (self.path, self.path + ".index", self.path + ".index.json"):
            if os.path.exists(existing) and not args.force:
                raise ConfigError("%s is there already; --force replaces it" % existing)
        self.changes = dict(setting(text) for text in args.set)
        if args.to == "huggingface" and source.network.huggingface is None:
            raise ConfigError("transformers has no model for %r" % source.model)

    def write(self, tensors, parts):
        """Writes everything. Arguments: tensors: mapping; parts: set. Returns: list of the paths."""
        paths = [self.write_checkpoint(tensors, parts)]
        if self.folder:
            paths += self.write_config(parts) + self.copy_vocabulary()
        return paths

    def write_checkpoint(self, tensors, parts):
        folder = os.path.dirname(self.path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.format in WRITABLE:
            dtype = self.args.dtype or common_dtype(self.source.checkpoint)
            return save_checkpoint(self.path, tensors, self.format, dtype, self.args.max_shard_size)
        heads = self.args.heads
        heads = keras_files.heads_of(self.source.network, parts) if heads is None else heads
        keras_files.write(self.source.require(), self.path, heads)
        self.notes.append("built with the heads: %s" % (heads or "none"))
        return self.path

    def write_config(self, parts):
        if self.args.to == "huggingface":
            name, config = "config.json", huggingface_config(self.source, parts)
        elif self.args.to is None and self.source.where:
            name, config = os.path.basename(self.source.where), dict(self.source.file_config)
        elif self.source.model is None:
            return []
        else:
            name, config = "%s_config.json" % self.source.model, google_config(self.source)
        config.update(self.changes)
        if self.args.to == "huggingface" and self.source.tanh_by_gelu and "hidden_act" not in self.changes:
            self.notes.append(
                "hidden_act is gelu, by which Google's TensorFlow code means the tanh form, transformers the erf form; "
                "--set hidden_act=gelu_new writes the former"
            )
        return [write_json(os.path.join(self.folder, name), config)]

    def copy_vocabulary(self):
        copies = {}
        if self.source.vocabulary:
            end = os.path.splitext(self.source.vocabulary)[1]
            usual = {".txt": "vocab.txt", ".model": "spiece.model"}
            copies[usual.get(end, os.path.basename(self.source.vocabulary))] = self.source.vocabulary
        for name in BESIDE:
            path = os.path.join(self.source.folder, name)
            if is_regular(path):
                copies[name] = path
        written = []
        for name, path in sorted(copies.items()):
            target = os.path.join(self.folder, name)
            if not os.path.exists(target) or not os.path.samefile(path, target):
                shutil.copyfile(path, target)
            written.append(target)
        if not self.source.vocabulary:
            self.notes.append("no vocabulary beside %s to copy" % self.source.path)
        elif self.args.to == "huggingface" and "vocab.txt" in copies and "tokenizer_config.json" not in copies:
            config = {"do_lower_case": not has_capitals(self.source.vocabulary)}
            if self.source.network.huggingface.tokenizer is not None:
                config["tokenizer_class"] = self.source.network.huggingface.tokenizer
            written.append(write_json(os.path.join(self.folder, "tokenizer_config.json"), config))
        return written


def write_json(path, value):
    """Writes a file, whole or not at all. Returns: its path."""
    with Staging(path) as staging:
        file = staging.open()
        file.write((json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode("utf-8"))
        staging.commit([(staging.finish(file), path)])
    return path


def setting(text):
    """'key=value' -> (key, value as JSON, or a str). Raises: ConfigError: there is no '='."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError("--set %s: expected KEY=VALUE" % text)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
