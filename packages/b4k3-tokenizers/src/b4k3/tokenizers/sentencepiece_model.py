"""SentencePiece models in pure Python: text to pieces and back, exactly as google/sentencepiece (Kudo and Richardson
2018, arXiv:1808.06226) does it."""

from __future__ import annotations

import math
import os
import random
import re
import sys
from itertools import compress
from typing import TYPE_CHECKING, Any, Iterable

from ._charsmap import Charsmap
from ._checks import check_text, checked, checked_ids, checked_int, checked_tokens, shown
from ._cutter import in_blocks
from ._metaspace import MetaspaceNormalizer
from ._normalizer import SPACE, TEXT_END, Normalizer
from ._reading import read_file
from ._segmenter import ids_of
from ._spm import (
    BYTE,
    BYTE_PIECES,
    CONTROL,
    MAX_FILE_SIZE,
    UNKNOWN,
    UNUSED,
    SentencePieceError,
    append_pieces,
    is_reserved,
    parse_model,
    with_extra_ids,
    with_user_defined,
)
from ._writing import write_bytes
from .bpe import BPE
from .unigram import Unigram

if TYPE_CHECKING:
    from os import PathLike

    from ._metaspace import Metaspace

_SEGMENTERS = {"unigram": Unigram, "bpe": BPE}
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class SentencePieceModel:
    """A SentencePiece unigram or BPE model.

    Arguments:
        path: the `.model` file (str or path-like).
        extra_ids: number of sentinels `▁<extra_id_N>` added after the last piece, in descending order, as T5 does.
        cache_size: how many chunks of text keep their ids; 0 for none.

    Raises FileNotFoundError, and `SentencePieceError` for a file that is broken or of another model type.
    Instances can be pickled and shared by threads.
    """

    def __init__(self, path, extra_ids=0, cache_size=1 << 17):
        path = os.fspath(path)
        self._load(read_file(path, MAX_FILE_SIZE, SentencePieceError), path, extra_ids, cache_size)

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        extra_ids: int = 0,
        cache_size: int = 1 << 17,
        source: str = "<bytes>",
        metaspace: Metaspace | None = None,
    ) -> SentencePieceModel:
        """Make a model from the bytes of a `.model` file.

        Arguments:
            data: bytes. The bytes of the file.
            extra_ids: int. See the class.
            cache_size: int. See the class.
            source: str. The name of the file, for messages.
            metaspace: Metaspace or None. What a `tokenizer.json` says about white space, for its model.

        Returns:
            SentencePieceModel.

        Raises:
            SentencePieceError: The file is broken, or is a model of another type.
        """
        model = cls.__new__(cls)
        model._load(bytes(data), source, extra_ids, cache_size, metaspace)
        return model

    def __reduce__(self):
        return type(self)._rebuild, (self._data, self._cache_size, self._spec.source, self.metaspace)

    @classmethod
    def _rebuild(cls, data, cache_size, source, metaspace=None):
        return cls.from_bytes(data, 0, cache_size, source, metaspace)

    def save(self, path: str | PathLike) -> None:
        """Write the `.model` file, with the pieces of `extra_ids` and `with_user_defined`.

        Arguments:
            path: str or path-like. It is replaced only when the new file is complete.

        Raises:
            SentencePieceError: The model was read from a `tokenizer.json`.
        """
        if self.metaspace is not None:
            raise SentencePieceError(f"{self._spec.source}: not a .model file; use save_tokenizer_json")
        write_bytes(os.fspath(path), self._data)

    def with_user_defined(self, pieces: Iterable[str]) -> SentencePieceModel:
        """Make a model in which certain pieces are user-defined symbols, found in every text before all others.

        Arguments:
            pieces: str[]. The pieces. If the model does not have a piece, it gets an id after the last one.

        Returns:
            SentencePieceModel. A new one.

        Raises:
            SentencePieceError: One of them is the unknown piece, a byte, or what no piece can be.
        """
        data = with_user_defined(self._data, checked_tokens(pieces, "pieces"), self._spec.source)
        return self._rebuild(data, self._cache_size, self._spec.source, self.metaspace)

    def with_unused(self, pieces: list[str]) -> SentencePieceModel:
        """Make a model of a `tokenizer.json` that has more pieces at the end, which no text gives by itself.

        Arguments:
            pieces: str[]. The pieces.

        Returns:
            SentencePieceModel. A new one.
        """
        metaspace = self.metaspace._replace(appended=self.metaspace.appended + len(pieces))
        data = append_pieces(self._data, pieces, UNUSED)
        return self._rebuild(data, self._cache_size, self._spec.source, metaspace)

    def _load(self, data, source, extra_ids, cache_size, metaspace=None):
        data = with_extra_ids(data, checked_int(extra_ids, "extra_ids", 0, sys.maxunicode))
        cache_size = checked_int(cache_size, "cache_size", 0)
        self._data, self._cache_size, self.metaspace = data, cache_size, metaspace
        self._spec = spec = parse_model(data, source)
        if spec.model_type not in _SEGMENTERS:
            raise SentencePieceError(
                "%s: a model of type %r; unigram and bpe are supported (others with engine='sentencepiece')"
                % (source, spec.model_type)
            )
        self._segmenter = _SEGMENTERS[spec.model_type](spec, cache_size)
        symbols = [spec.pieces[i] for i in self._segmenter.user_defined]
        suffix = spec.trainer["treat_whitespace_as_suffix"]
        if metaspace is None:
            self._normalizer = _make_normalizer(spec.normalizer, source, suffix, symbols)
        else:
            charsmap = Charsmap(spec.normalizer["precompiled_charsmap"], source)
            self._normalizer = MetaspaceNormalizer(charsmap, metaspace)
        self._denormalizer = None
        if spec.denormalizer["precompiled_charsmap"]:
            self._denormalizer = _make_normalizer(spec.denormalizer, source)
        self._index_pieces(spec)

    def _index_pieces(self, spec):
        self._ids = {}
        for i, piece in enumerate(spec.pieces):  # a reserved piece goes before a normal one of the same spelling
            if piece not in self._ids or is_reserved(spec.types[i]):
                self._ids[piece] = i
        self._bytes = {i: BYTE_PIECES[p] for i, (p, t) in enumerate(zip(spec.pieces, spec.types)) if t == BYTE}
        # how many characters of the normalised text an id stands for
        self._lengths = list(map(len, spec.pieces))
        self._lengths[self._segmenter.unk_id] = 1
        for i, value in self._bytes.items():
            self._lengths[i] = 0 if 0x80 <= value < 0xC0 else 1

    # ---- the pieces

    def __len__(self):
        return len(self._spec.pieces)

    @property
    def model_type(self):
        """`'unigram'` or `'bpe'`."""
        return self._spec.model_type

    @property
    def pieces(self):
        """All pieces in the order of their ids, as a new list."""
        return list(self._spec.pieces)

    @property
    def unk_id(self):
        """The id of the unknown piece."""
        return self._segmenter.unk_id

    @property
    def bos_id(self):
        """The id of the piece for the beginning of a sentence, -1 if the model has none; likewise `eos_id`,
        `pad_id`."""
        return self._control_id("bos_piece")

    @property
    def eos_id(self):
        """See `bos_id`."""
        return self._control_id("eos_piece")

    @property
    def pad_id(self):
        """See `bos_id`."""
        return self._control_id("pad_piece")

    def _control_id(self, name):
        i = self._ids.get(self._spec.trainer[name], -1)
        return i if i >= 0 and self.is_control(i) else -1

    @property
    def space_last(self) -> bool:
        """Whether the space symbol is at the end of words."""
        return self._spec.trainer["treat_whitespace_as_suffix"]

    def piece_to_id(self, piece):
        """The id of a piece, that of the unknown piece if there is none. Raises TypeError for no str."""
        check_text(piece, "piece")
        return self._ids.get(piece, self.unk_id)

    def id_to_piece(self, i):
        """The piece of an id. Raises IndexError outside 0 .. len(self) - 1, TypeError or ValueError for no integer."""
        return self._spec.pieces[self._checked_id(i)]

    def _checked_id(self, i):
        if type(i) is not int:
            i = checked_int(i, "id")
        if not 0 <= i < len(self._spec.pieces):
            raise IndexError(f"id {i} is outside 0 .. {len(self._spec.pieces) - 1}")
        return i

    def score(self, i):
        """The score of an id: a log probability (unigram), minus the rank of the merge (BPE)."""
        return self._spec.scores[self._checked_id(i)]

    def is_control(self, i):
        """Whether an id is a control symbol, which never comes out of text."""
        return self._spec.types[self._checked_id(i)] == CONTROL

    def is_unknown(self, i):
        """Whether an id is the unknown piece."""
        return self._spec.types[self._checked_id(i)] == UNKNOWN

    def is_unused(self, i):
        """Whether an id is a piece that the model does not use."""
        return self._spec.types[self._checked_id(i)] == UNUSED

    def is_byte(self, i):
        """Whether an id is one of the 256 bytes of byte fallback."""
        return self._spec.types[self._checked_id(i)] == BYTE

    # ---- text to pieces

    def normalize(self, text):
        """The text that is segmented: charsmap applied, spaces as U+2581 (unless the model keeps them)."""
        check_text(text)
        return self._normalizer.normalize(text)

    def spelled(self, text: str) -> tuple[str, list[int]]:
        """Apply the normalizer of the `tokenizer.json` that the model was read from. Other models do not have one.

        Arguments:
            text: str. The text.

        Returns:
            (str, int[]). What the normalizer makes of the text, and for each character of that the index in `text`
            where it comes from.
        """
        return self._normalizer.spelled(text)

    def encode(self, text):
        """The ids of a text, a list of int."""
        check_text(text)
        return self._segmenter.encode(self._normalizer.normalize(text))

    def encode_batch(self, texts):
        """The ids of several texts, a list of lists of int."""
        rows = []
        for block in in_blocks(checked(texts, "texts")):
            plain = list(map(str.isascii, block))  # those need fewer and faster passes
            if any(plain) and not all(plain):
                plain_rows = iter(self._encode_block(list(compress(block, plain))))
                other_rows = iter(self._encode_block([text for text in block if not text.isascii()]))
                rows += [next(plain_rows if is_plain else other_rows) for is_plain in plain]
            else:
                rows += self._encode_block(block)
        return rows

    def _encode_block(self, texts):
        words = self._words(texts)
        if words is None:
            return list(map(self.encode, texts))
        id_texts = self._segmenter.id_texts(words)
        del words  # the garbage collector would walk through them, too
        return self._segmenter.rows(id_texts)

    def _words(self, texts):
        """The words of several texts, with `TEXT_END` between two of them; None if that is in a text."""
        if self._normalizer.by_words and self._segmenter.word_prefix:
            words = self._normalizer.words(texts)
        else:
            block = self._normalizer.normalize_block(texts)
            words = None if block is None else self._segmenter.words_of_block(block)
        if words is None and not any(TEXT_END in text for text in texts):
            words = []
            for text in texts:
                words += self._segmenter.words(self._normalizer.normalize(text))
                words.append(TEXT_END)
            words.pop()
        return words

    def tokenize(self, text):
        """The pieces of a text, a list of str; neighbouring unknown characters are one piece."""
        check_text(text)
        normalized = self._normalizer.normalize(text)
        ids = ids_of(self._segmenter.id_text(normalized))
        if not self._segmenter.byte_fallback and self.unk_id in ids:
            return [normalized[start:end] for start, end, _ in self._merged(self._nodes(ids))]
        return list(map(self._spec.pieces.__getitem__, ids))

    def encode_with_offsets(self, text):
        """Ids, pieces and offsets of a text: three lists of equal length.

        Offsets are (start, end) in characters of the text, end exclusive. A piece that begins with the space symbol
        begins at the white space that it stands for; of the bytes of one character all but the last are empty.
        """
        check_text(text)
        return self._spell_normalized(*self._normalizer.align(text))

    def encode_part(self, text: str, first: bool, ready: bool) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        """Do what `encode_with_offsets` does, for a part of a text. Only a model of a `tokenizer.json` can do it.

        Arguments:
            text: str. The part.
            first: bool. Whether it is the first part of a text.
            ready: bool. Whether the file's normalizer was applied already, by `spelled`.

        Returns:
            (int[], str[], (int, int)[]). Ids, pieces and offsets.
        """
        return self._spell_normalized(*self._normalizer.align(text, first, ready))

    def _spell_normalized(self, normalized, starts, ends=None):
        ids = ids_of(self._segmenter.id_text(normalized))
        return self._spell(self._nodes(ids), normalized, starts, starts if ends is None else ends)

    def nbest(self, text, n):
        """The `n` (at most 1024) best segmentations of a text: a list of (ids, score), best first. Unigram models
        only."""
        if self.model_type != "unigram":
            raise SentencePieceError(
                "%s: n-best needs a unigram model, this is %r" % (self._spec.source, self.model_type)
            )
        n = checked_int(n, "n", 1)
        check_text(text)
        normalized = self._normalizer.normalize(text)
        found = self._segmenter.n_best(normalized, min(n, 1024))
        return [(self._node_ids(nodes, normalized), score) for nodes, score in found]

    def sample(self, text, alpha=0.1, nbest=-1, rng=None):
        """Ids of a segmentation drawn at random: subword regularization (unigram) or BPE-dropout.

        Arguments: `alpha`, the exponent of the probabilities (unigram) or the probability of leaving a merge out (BPE);
        `nbest`, draw from the n best only (unigram), -1 for all; `rng`, a `random.Random`, a seed, or None.
        """
        check_text(text)
        check_alpha(alpha)
        nbest = checked_int(nbest, "nbest")
        if not isinstance(rng, random.Random):
            rng = random.Random(rng)
        if nbest > 1 and self.model_type == "unigram":
            found = self.nbest(text, nbest)
            top = found[0][1]
            return rng.choices([ids for ids, _ in found], [math.exp(alpha * (score - top)) for _, score in found])[0]
        normalized = self._normalizer.normalize(text)
        return self._node_ids(self._segmenter.sample(normalized, alpha, rng), normalized)

    def _nodes(self, ids):
        """(start, end, id) in the normalised text of unmerged ids. The bytes of a character but the first are empty."""
        start = 0
        for i in ids:
            end = start + self._lengths[i]
            yield start, end, i
            start = end

    def _merged(self, nodes):
        """The nodes with neighbouring unknown ones joined."""
        unk = -1 if self._segmenter.byte_fallback else self.unk_id
        out = []
        for start, end, i in nodes:
            if i == unk and out and out[-1][2] == unk:
                start = out.pop()[0]
            out.append((start, end, i))
        return out

    def _node_ids(self, nodes, normalized):
        ids = []
        for start, end, i in self._merged(nodes):
            ids.extend(ids_of(self._segmenter.unknown(normalized[start:end])) if i == self.unk_id else (i,))
        return ids

    def _spell(self, nodes, normalized, starts, ends):
        """Ids, pieces and offsets in the original text of nodes of the normalised text; the node of the characters a to
        b of that is from `starts[a]` to `ends[b]`."""
        nodes = self._merged(nodes)
        ids = [i for _, _, i in nodes]
        pieces = [normalized[s:e] if i == self.unk_id else self._spec.pieces[i] for s, e, i in nodes]
        offsets = []
        for k, (start, end, i) in enumerate(nodes):
            if i in self._bytes:  # the last byte carries the character
                if start < end:
                    first = start
                last = k + 1 == len(nodes) or nodes[k + 1][0] < nodes[k + 1][1]
                offsets.append((starts[first], ends[first + 1] if last else starts[first]))
            else:
                offsets.append((starts[start], ends[end]))
        return ids, pieces, offsets

    # ---- pieces to text

    def decode(self, ids):
        """The text of ids. Control symbols vanish, the unknown piece becomes the model's `unk_surface` (" ⁇ "), bytes
        that are not UTF-8 become U+FFFD. Raises IndexError for an id that is not in the model."""
        ids = checked_ids(ids)
        return self._join([(i, self.id_to_piece(i)) for i in ids])

    def decode_pieces(self, pieces):
        """The text of pieces; one that is not in the model is taken as it is."""
        pieces = checked_tokens(pieces, "pieces")
        return self._join([(self.piece_to_id(piece), piece) for piece in pieces])

    def _join(self, pieces):
        normalizer = self._spec.normalizer
        strip_all = normalizer["remove_extra_whitespaces"]
        strip = strip_all or normalizer["add_dummy_prefix"]  # of leading space symbols: all, or one
        out, pending, empty = [], [], True
        for i, piece in pieces:
            if i in self._bytes:
                pending.append(self._bytes[i])
                continue
            if pending:
                out.append(_from_bytes(pending))
                pending, empty = [], False
            strip = strip and empty
            text = self._surface(i, piece)
            if strip and text[:1] == SPACE and i != self.unk_id:
                text = text[1:]
                strip = strip_all
            if i != self.unk_id:
                text = text.replace(SPACE, " ")
            empty = empty and not text
            out.append(text)
        text = "".join(out) + _from_bytes(pending)
        return self._denormalizer.normalize(text) if self._denormalizer else text

    def _surface(self, i, piece):
        if self._spec.types[i] == CONTROL:
            return ""
        if i == self.unk_id and piece == self._spec.pieces[i]:
            return self._spec.trainer["unk_surface"]
        return piece


def check_alpha(alpha: Any) -> None:
    """Check that a value can be the `alpha` of `sample`.

    Arguments:
        alpha: Any. The value.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative or not finite.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        raise TypeError(f"alpha: expected a number, got {type(alpha).__name__} {shown(alpha)}")
    if not (alpha >= 0.0 and math.isfinite(alpha)):
        raise ValueError(f"alpha is {alpha}; it has to be finite and not negative")


def _make_normalizer(spec, source, suffix=False, symbols=()):
    return Normalizer(
        Charsmap(spec["precompiled_charsmap"], source),
        spec["add_dummy_prefix"],
        spec["remove_extra_whitespaces"],
        spec["escape_whitespaces"],
        suffix,
        symbols,
    )


def _from_bytes(values):
    """UTF-8 to text; each byte that is not part of a character becomes U+FFFD."""
    return _NOT_UTF8.sub("\ufffd", bytes(values).decode("utf-8", "surrogateescape"))
