"""Good files whose mutants are read, and how: `TARGETS`, name -> function of a folder that gives a `Target`."""

import contextlib
import io
import json
import os
import pathlib
import random
import shutil
import struct
import warnings
import zipfile

from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from b4k3.models.cli.inspect import describe
from b4k3.models.cli.subject import Subject
from b4k3.models.errors import ConfigError
from b4k3.tokenizers import SentencePieceError, SentencePieceModel, VocabError, load_tokenizer_json
from benchmarks.tokenizers.json_differential import unigram, wordpiece
from support.sentencepiece_models import BPE, BYTES, GOOD, UNIGRAM, build, chars

from . import bundles
from .mutations import mutate_bytes, mutate_json_text, mutate_proto

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
BUNDLE = str(GOLDEN / "google_bert" / "bert_model.ckpt")
SMALL = ("cls/predictions/output_bias", "bert/pooler/dense/bias", "cls/seq_relationship/output_bias")
ERRORS = (ConfigError, CheckpointError, VocabError, SentencePieceError)


class Target:
    """A good file of which mutants are made.

    Attributes:
        put: function of a `random.Random` that writes a mutant in its place.
        read: function that reads everything of it, or raises one of ERRORS.
        names: what an error names, one of them.
    """

    def __init__(self, path, mutant, read, names=()):
        self.path, self.mutant, self.read = path, mutant, read
        self.names = (str(path),) + tuple(map(str, names))

    def put(self, rng):
        write(self.path, self.mutant(rng))


def write(path, data):
    """A new file: some file systems wait for the disk when one is overwritten."""
    if os.path.exists(str(path)):
        os.unlink(str(path))
    with open(str(path), "wb") as file:
        file.write(data)


def read_checkpoint(path):
    """Read every variable."""
    with open_checkpoint(str(path)) as checkpoint:
        for _ in checkpoint.items():
            pass


def look(path, config=None):
    """Everything that is found out of a model before it is built, without any Keras."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subject = Subject(str(path), None if config is None else str(config))
        json.dumps(describe(subject))
        subject.require()


def golden_folder(folder, system, config):
    """A copy of the checkpoint of a golden system and one of its configs."""
    target = folder / system.replace("/", "-")
    target.mkdir()
    for path in (GOLDEN / system).iterdir():
        if path.name == config or ".ckpt" in path.name or path.suffix == ".safetensors":
            shutil.copy(str(path), str(target))
    return target


# ---------------------------------------------------------------------------------------------------------- configs


def json_config(system, name):
    """The config of a golden system, beside its checkpoint."""

    def target(folder):
        model = golden_folder(folder, system, name)
        good = json.loads((model / name).read_text())
        return Target(model / name, lambda rng: mutate_json_text(good, rng), lambda: look(model), [model])

    return target


def gin_config(folder):
    model = golden_folder(folder, "t5_1_1", "operative_config.gin")
    path = model / "operative_config.gin"
    good = path.read_bytes()
    return Target(path, lambda rng: mutate_bytes(mutate_bytes(good, rng), rng), lambda: look(model), [model])


# ---------------------------------------------------------------------------------------------------------- indices


def bundle_index(folder):
    """The index of a tensor bundle, with right checksums around whatever is wrong in it."""
    prefix = folder / "model.ckpt"
    for suffix in (".data-00000-of-00001", ".index"):
        shutil.copy(BUNDLE + suffix, str(prefix) + suffix)
    path = folder / "model.ckpt.index"
    good = path.read_bytes()
    content = good[: good.index(b"\0\0\0\0\1\0\0\0\0") - 5]  # up to the checksum before the empty metaindex block
    restarts = content[-4 * (struct.unpack("<I", content[-4:])[0] + 1) :]
    entries = content[: -len(restarts)]

    def mutant(rng):
        kind = rng.randrange(10)
        if kind == 0:
            return mutate_bytes(good, rng)
        if kind == 1:
            return bundles.table([mutate_bytes(content, rng)])
        return bundles.table([mutate_bytes(entries, rng) + restarts])

    return Target(path, mutant, lambda: read_checkpoint(prefix), [prefix])


def bundle_entries(folder):
    """The messages in the index of a tensor bundle, among them those of a partitioned variable."""
    slices = [[(0, 2), None], [(2, 2), None]]
    pairs = {b"": bundles.header(2), b"p": bundles.entry(dims=(4, 3), slices=slices)}
    for shard, extents in enumerate(slices):
        pairs[bundles.slice_key(b"p", extents)] = bundles.entry(b"\0" * 24, shard=shard)
    prefix = bundles.write(folder, bundles.table([sorted(pairs.items())]), [b"\0" * 24] * 2, shards=2)

    def mutant(rng):
        changed = dict(pairs)
        key = rng.choice(sorted(pairs))
        changed[key] = mutate_proto(changed[key], rng)
        return bundles.table([sorted(changed.items())])

    return Target(pathlib.Path(prefix + ".index"), mutant, lambda: read_checkpoint(prefix), [prefix])


def safetensors_header(folder):
    path = folder / "model.safetensors"
    save_checkpoint(str(path), open_checkpoint(BUNDLE), format="safetensors")
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = data[8 : 8 + length], data[8 + length :]

    def mutant(rng):
        text = mutate_json_text(json.loads(header.decode()), rng) if rng.randrange(2) else mutate_bytes(header, rng)
        return struct.pack("<Q", len(text)) + text + body

    return Target(path, mutant, lambda: read_checkpoint(path))


def safetensors_index(folder):
    small = {name: open_checkpoint(BUNDLE)[name] for name in SMALL}
    save_checkpoint(str(folder / "model.safetensors"), small, format="safetensors", max_shard_size=200)
    path = folder / "model.safetensors.index.json"
    good = json.loads(path.read_text())
    return Target(path, lambda rng: mutate_json_text(good, rng), lambda: read_checkpoint(path), [folder])


# ------------------------------------------------------------------------------------------------------- containers


def npz(compressed):
    def target(folder):
        import numpy as np

        path = folder / "model.npz"
        small = {name.replace("/", "."): open_checkpoint(BUNDLE)[name] for name in SMALL}
        (np.savez_compressed if compressed else np.savez)(str(path), **small)
        good = path.read_bytes()
        return Target(path, lambda rng: mutate_bytes(good, rng), lambda: read_checkpoint(path))

    return target


def torch_file(layout):
    """A file of PyTorch of which any byte may change."""

    def target(folder):
        path = folder / "pytorch_model.bin"
        shutil.copy(str(GOLDEN / "torch_files" / f"{layout}-2.bin"), str(path))
        good = path.read_bytes()
        return Target(path, lambda rng: mutate_bytes(good, rng), lambda: read_checkpoint(path))

    return target


def torch_pickle(protocol):
    """The pickle of a state_dict, whole archive around whatever is wrong in it."""

    def target(folder):
        path = folder / "pytorch_model.bin"
        with zipfile.ZipFile(str(GOLDEN / "torch_files" / f"zip-{protocol}.bin")) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        (name,) = [name for name in members if name.endswith("/data.pkl")]

        def mutant(rng):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for other, data in members.items():
                    archive.writestr(other, mutate_bytes(data, rng) if other == name else data)
            return file.getvalue()

        path.write_bytes((GOLDEN / "torch_files" / f"zip-{protocol}.bin").read_bytes())
        return Target(path, mutant, lambda: read_checkpoint(path))

    return target


def hdf5(make):
    def target(folder):
        import h5py
        import numpy as np

        path = folder / "model.h5"
        with h5py.File(str(path), "w") as file:
            make(file, np)
        good = path.read_bytes()
        return Target(path, lambda rng: mutate_bytes(good, rng), lambda: read_checkpoint(path))

    return target


def of_keras_3(file, np):
    for layer in ("dense", "dense_1"):
        for number, shape in enumerate([(4, 6), (6,)]):
            file.create_dataset(f"layers/{layer}/vars/{number}", data=np.ones(shape, "float32"))
    file.create_dataset("packed", data=np.zeros((30, 20), "float32"), chunks=(10, 20), compression="gzip")


def of_keras_2(file, np):
    file.attrs["layer_names"] = [b"Embedding-Token", b"Embedding-Norm"]
    file.attrs["keras_version"] = b"2.3.1"
    for layer, names in (("Embedding-Token", ["embeddings:0"]), ("Embedding-Norm", ["beta:0", "gamma:0"])):
        group = file.create_group(layer)
        group.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in names]
        for name in names:
            group.create_dataset(f"{layer}/{name}", data=np.ones((3, 4), "float32"))


# ------------------------------------------------------------------------------------------------------- tokenizers


def tokenizer_json(make):
    def target(folder):
        path = folder / "tokenizer.json"
        good = make(random.Random(3))
        path.write_text(json.dumps(good), encoding="utf-8")
        return Target(path, lambda rng: mutate_json_text(good, rng), lambda: tokenize(path))

    return target


def tokenize(path):
    """Read a `tokenizer.json`, and encode with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = load_tokenizer_json(str(path))
        tokenizer.encode("hello a ab [MASK] <e>")
        with contextlib.suppress(ValueError):  # a length or a stride that these texts cannot have
            tokenizer.encode_batch(["hello", "b ab"], ["a", ""])


def sentencepiece(make):
    def target(folder):
        path = folder / "spiece.model"
        good = make()
        path.write_bytes(good)

        def mutant(rng):
            return mutate_proto(good, rng) if rng.randrange(2) else mutate_bytes(good, rng)

        return Target(path, mutant, lambda: segment(path))

    return target


def segment(path):
    """Read a SentencePiece model, and go there and back with it."""
    model = SentencePieceModel(str(path))
    model.decode(model.encode("a ab \xe9\u0301\u5929 x"))
    model.encode_with_offsets("ab\u0301 \u5929")


PIECES = [("a", -1.0), ("ab", -2.0), ("\u2581", -3.0), ("b", -2.0)]


def with_charsmap():
    """A small unigram model with a rule."""
    return build(PIECES, {"model_type": UNIGRAM}, {"precompiled_charsmap": chars(GOOD)})


def with_bytes():
    """A small model of pairs that falls back to bytes."""
    return build(PIECES + BYTES, {"model_type": BPE, "byte_fallback": True})


# what SECURITY.md promises of 2,000 mutants of each -> the targets among which they are divided
CONFIGS = {
    "config of BERT": json_config("google_bert", "bert_config.json"),
    "config of ALBERT": json_config("google_albert", "albert_config.json"),
    "config of T5": json_config("t5_1_1", "t5_config.json"),
    **{
        f"config.json of {system}": json_config("huggingface/" + system, "config.json")
        for system in ("bert", "roberta", "distilbert", "electra", "gpt2", "t5", "albert", "roformer")
    },
    "gin of T5": gin_config,
}
INDICES = {
    "index of a bundle": bundle_index,
    "entries of a bundle": bundle_entries,
    "header of safetensors": safetensors_header,
    "index of safetensors": safetensors_index,
}
CONTAINERS = {
    "npz": npz(False),
    "npz, compressed": npz(True),
    "HDF5 of Keras 3": hdf5(of_keras_3),
    "HDF5 of Keras 2": hdf5(of_keras_2),
}
TORCH = {
    "PyTorch, an archive": torch_file("zip"),
    "PyTorch, a stream": torch_file("stream"),
    "PyTorch, a pickle of protocol 2": torch_pickle(2),
    "PyTorch, a pickle of protocol 4": torch_pickle(4),
}
TOKENIZERS = {
    "tokenizer.json of WordPiece": tokenizer_json(wordpiece),
    "tokenizer.json of Unigram": tokenizer_json(unigram),
}
SENTENCEPIECE = {
    "SentencePiece model with rules": sentencepiece(with_charsmap),
    "SentencePiece model with bytes": sentencepiece(with_bytes),
}
TARGETS = dict(CONFIGS, **INDICES, **CONTAINERS, **TORCH, **TOKENIZERS, **SENTENCEPIECE)
