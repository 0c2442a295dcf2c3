"""SentencePiece models in pure Python: text to pieces and back, exactly as the C++ library does it."""

from __future__ import annotations

import math
import os
import random
import re
import sys
from itertools import compress
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Sequence

from ._charsmap import Charsmap
from ._checks import check_text, checked, checked_ids, checked_int, checked_tokens, shown
from ._cutter import in_blocks
from ._metaspace import MetaspaceNormalizer
from ._normalizer import SPACE, TEXT_END, Normalizer
from ._piece_table import PieceTable
from ._reading import read_file
from ._segmenter import ids_of
from ._spm import (
    BYTE,
    BYTE_PIECES,
    CONTROL,
    MAX_FILE_SIZE,
    UNUSED,
    SentencePieceError,
    append_pieces,
    parse_model,
    with_extra_ids,
    with_user_defined,
)
from ._writing import write_bytes
from .bpe import BPESegmenter
from .unigram import UnigramSegmenter

if TYPE_CHECKING:
    from os import PathLike

    from ._metaspace import Metaspace
    from ._spm import SpmModel

    Span = tuple[int, int, int]  # start, end, id

_SEGMENTERS = {"unigram": UnigramSegmenter, "bpe": BPESegmenter}
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class SentencePieceModel(PieceTable):
    """Segment text with a SentencePiece model, unigram or BPE. It can be pickled, and threads can share it.

    Kudo and Richardson 2018, "SentencePiece" (arXiv:1808.06226). The ids are the same as from google/sentencepiece.
    `educational.Unigram` and `educational.BPE` are the algorithms in few lines.

    Arguments:
        path: str or path-like. The `.model` file.
        extra_ids: int. How many sentinels `▁<extra_id_N>` are added after the last piece, in descending order, as T5
            does.
        cache_size: int. How many chunks of text keep their ids; 0 for none.

    Raises:
        FileNotFoundError: There is no such file.
        SentencePieceError: The file is broken, or is a model of a type that is not supported.

    Example:
        >>> from b4k3.tokenizers._spm import encode_model  # a small model in place of the file "spiece.model"
        >>> pieces = [("<unk>", 0, 2), ("▁hello", -3, 1), ("▁wor", -4, 1), ("ld", -5, 1), ("▁", -6, 1)]
        >>> model = SentencePieceModel.from_bytes(encode_model(pieces, {}, {}))
        >>> model.encode("hello world"), model.tokenize("hello world")
        ([1, 2, 3], ['▁hello', '▁wor', 'ld'])
        >>> model.encode_with_offsets("hello world")[2], model.decode([1, 2, 3])
        ([(0, 5), (5, 9), (9, 11)], 'hello world')
    """

    def __init__(self, path: str | PathLike[str], extra_ids: int = 0, cache_size: int = 1 << 17) -> None:
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
            extra_ids: int. How many sentinels are added; see the class.
            cache_size: int. How many chunks of text keep their ids.
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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._rebuild, (self._data, self._cache_size, self._spec.source, self.metaspace)

    @classmethod
    def _rebuild(
        cls, data: bytes, cache_size: int, source: str, metaspace: Metaspace | None = None
    ) -> SentencePieceModel:
        return cls.from_bytes(data, 0, cache_size, source, metaspace)

    def save(self, path: str | PathLike[str]) -> None:
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
            pieces: list of str. The pieces. If the model does not have a piece, it gets an id after the last one.

        Returns:
            SentencePieceModel. A new one.

        Raises:
            SentencePieceError: A piece is the unknown piece, a byte, or a text that cannot be a piece.
        """
        data = with_user_defined(self._data, checked_tokens(pieces, "pieces"), self._spec.source)
        return self._rebuild(data, self._cache_size, self._spec.source, self.metaspace)

    def with_unused(self, pieces: list[str]) -> SentencePieceModel:
        """Make a model that has more pieces at the end, which it never finds in a text. It is for a `tokenizer.json`.

        Arguments:
            pieces: list of str. The pieces.

        Returns:
            SentencePieceModel. A new one.
        """
        metaspace = self.metaspace._replace(appended=self.metaspace.appended + len(pieces))
        data = append_pieces(self._data, pieces, UNUSED)
        return self._rebuild(data, self._cache_size, self._spec.source, metaspace)

    def _load(
        self, data: bytes, source: str, extra_ids: int, cache_size: int, metaspace: Metaspace | None = None
    ) -> None:
        data = with_extra_ids(data, checked_int(extra_ids, "extra_ids", 0, sys.maxunicode))
        cache_size = checked_int(cache_size, "cache_size", 0)
        self._data, self._cache_size, self.metaspace = data, cache_size, metaspace
        spec = parse_model(data, source)
        if spec.model_type not in _SEGMENTERS:
            raise SentencePieceError(
                f"{source}: a model of type {spec.model_type!r}; unigram and bpe are supported (others with "
                "engine='sentencepiece')"
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
        self._set_pieces(spec)
        self._set_lengths(spec)

    def _set_lengths(self, spec: SpmModel) -> None:
        self._bytes = {i: BYTE_PIECES[p] for i, (p, t) in enumerate(zip(spec.pieces, spec.types)) if t == BYTE}
        # The number of characters of the normalised text that an id stands for.
        self._lengths = list(map(len, spec.pieces))
        self._lengths[self.unk_id] = 1
        for i, value in self._bytes.items():
            self._lengths[i] = 0 if 0x80 <= value < 0xC0 else 1

    # ---- text to pieces

    def normalize(self, text: str) -> str:
        """Normalise a text.

        Arguments:
            text: str. The text.

        Returns:
            str. The text that is segmented: characters are replaced by the rules of the model, and a blank is the space
            symbol U+2581 (unless the model keeps blanks).
        """
        check_text(text)
        return self._normalizer.normalize(text)

    def spelled(self, text: str) -> tuple[str, list[int]]:
        """Apply the normalizer of the `tokenizer.json` that the model was read from. Other models do not have one.

        Arguments:
            text: str. The text.

        Returns:
            (str, list of int). The normalised text, and for each of its characters the index in `text` where it comes
            from.
        """
        return self._normalizer.spelled(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        Arguments:
            text: str. The text.

        Returns:
            list of int. The ids of its pieces.

        Raises:
            TypeError: The text is no str.
        """
        check_text(text)
        return self._segmenter.encode(self._normalizer.normalize(text))

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of several texts.

        Arguments:
            texts: iterable of str. The texts.

        Returns:
            list of lists of int. The ids of each text.

        Raises:
            TypeError: `texts` is one text in place of a list, or has something that is no str.
        """
        rows: list[list[int]] = []
        for block in in_blocks(checked(texts, "texts")):
            plain = list(map(str.isascii, block))  # ASCII texts need fewer and faster passes.
            if any(plain) and not all(plain):
                plain_rows = iter(self._encode_block(list(compress(block, plain))))
                other_rows = iter(self._encode_block([text for text in block if not text.isascii()]))
                rows += [next(plain_rows if is_plain else other_rows) for is_plain in plain]
            else:
                rows += self._encode_block(block)
        return rows

    def _encode_block(self, texts: list[str]) -> list[list[int]]:
        words = self._words(texts)
        if words is None:
            return list(map(self.encode, texts))
        id_texts = self._segmenter.id_texts(words)
        del words  # Otherwise the garbage collector would walk through them, too.
        return self._segmenter.rows(id_texts)

    def _words(self, texts: list[str]) -> list[str] | None:
        """Return the words of several texts, with `TEXT_END` between two texts; None if `TEXT_END` is in a text."""
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

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of a text.

        Arguments:
            text: str. The text.

        Returns:
            list of str. The pieces. Neighbouring unknown characters are one piece.

        Raises:
            TypeError: The text is no str.
        """
        check_text(text)
        normalized = self._normalizer.normalize(text)
        ids = ids_of(self._segmenter.id_text(normalized))
        if not self._segmenter.byte_fallback and self.unk_id in ids:
            return [normalized[start:end] for start, end, _ in self._merged(self._nodes(ids))]
        return list(map(self._spec.pieces.__getitem__, ids))

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        """Return the ids, pieces and offsets of a text.

        Arguments:
            text: str. The text.

        Returns:
            (list of int, list of str, list of (int, int)). Ids, pieces and offsets. An offset is (start, end) in
                characters of the text.
            A piece that begins with the space symbol begins at the white space that it stands for. If a
            character is spelled in bytes, only the offset of the last byte is not empty.

        Raises:
            TypeError: The text is no str.
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
            (list of int, list of str, list of (int, int)). Ids, pieces and offsets.
        """
        return self._spell_normalized(*self._normalizer.align(text, first, ready))

    def _spell_normalized(
        self, normalized: str, starts: Sequence[int], ends: Sequence[int] | None = None
    ) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        ids = ids_of(self._segmenter.id_text(normalized))
        return self._spell(self._nodes(ids), normalized, starts, starts if ends is None else ends)

    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """Return the best segmentations of a text with a unigram model.

        Arguments:
            text: str. The text.
            n: int. The number of segmentations. More than 1024 are not returned.

        Returns:
            list of (list of int, float). The ids and the score of each of them, the best first.

        Raises:
            SentencePieceError: The model is no unigram model.
        """
        if self.model_type != "unigram":
            raise SentencePieceError(f"{self._spec.source}: n-best needs a unigram model, this is {self.model_type!r}")
        n = checked_int(n, "n", 1)
        check_text(text)
        normalized = self._normalizer.normalize(text)
        found = self._segmenter.n_best(normalized, min(n, 1024))
        return [(self._node_ids(nodes, normalized), score) for nodes, score in found]

    def sample(
        self, text: str, alpha: float = 0.1, nbest: int = -1, rng: random.Random | int | None = None
    ) -> list[int]:
        """Draw a segmentation at random: subword regularization (unigram, Kudo 2018) or BPE-dropout.

        Arguments:
            text: str. The text.
            alpha: float. The exponent of the probabilities (unigram), or the probability that a merge is left out
                (BPE).
            nbest: int. How many of the best segmentations take part (unigram); -1 for all.
            rng: random.Random, a seed, or None. The random numbers.

        Returns:
            list of int. The ids.

        Raises:
            TypeError: `alpha` is no number, or `nbest` is no int.
            ValueError: `alpha` is negative or not finite.
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

    def _nodes(self, ids: Iterable[int]) -> Iterator[Span]:
        """Yield (start, end, id) in the normalised text. Later bytes of a character have empty spans."""
        start = 0
        for i in ids:
            end = start + self._lengths[i]
            yield start, end, i
            start = end

    def _merged(self, nodes: Iterable[Span]) -> list[Span]:
        """Join neighbouring unknown nodes."""
        unk = -1 if self._segmenter.byte_fallback else self.unk_id
        out: list[Span] = []
        for start, end, i in nodes:
            if i == unk and out and out[-1][2] == unk:
                start = out.pop()[0]
            out.append((start, end, i))
        return out

    def _node_ids(self, nodes: Iterable[Span], normalized: str) -> list[int]:
        ids: list[int] = []
        for start, end, i in self._merged(nodes):
            ids.extend(ids_of(self._segmenter.unknown(normalized[start:end])) if i == self.unk_id else (i,))
        return ids

    def _spell(
        self, nodes: Iterable[Span], normalized: str, starts: Sequence[int], ends: Sequence[int]
    ) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        """Return the ids, pieces and offsets of nodes of the normalised text.

        A node from a to b in the normalised text comes from the characters `starts[a]` to `ends[b]` of the original
        text.
        """
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

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids.

        Arguments:
            ids: iterable of int. The ids.

        Returns:
            str. The text. Control symbols are left out, the unknown piece becomes the `unk_surface` of the model,
            usually " ⁇ ", and bytes that are not UTF-8 become U+FFFD.

        Raises:
            IndexError: The model does not have an id.
            TypeError: `ids` is no iterable of ids.
        """
        ids = checked_ids(ids)
        return self._join([(i, self.id_to_piece(i)) for i in ids])

    def decode_pieces(self, pieces: Iterable[str]) -> str:
        """Return the text of pieces.

        Arguments:
            pieces: iterable of str. The pieces. A piece that is not in the model is taken as it is.

        Returns:
            str. The text, as `decode` returns it.

        Raises:
            TypeError: `pieces` is no iterable of str.
        """
        pieces = checked_tokens(pieces, "pieces")
        return self._join([(self.piece_to_id(piece), piece) for piece in pieces])

    def _join(self, pieces: Iterable[tuple[int, str]]) -> str:
        """Join (id, piece) to text."""
        normalizer = self._spec.normalizer
        strip_all = normalizer["remove_extra_whitespaces"]  # All space symbols at the beginning are dropped, ...
        strip = strip_all or normalizer["add_dummy_prefix"]  # ... or one of them.
        out: list[str] = []
        pending, empty = [], True
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

    def _surface(self, i: int, piece: str) -> str:
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


def _make_normalizer(
    spec: dict[str, Any], source: str, suffix: bool = False, symbols: Sequence[str] = ()
) -> Normalizer:
    return Normalizer(
        Charsmap(spec["precompiled_charsmap"], source),
        spec["add_dummy_prefix"],
        spec["remove_extra_whitespaces"],
        spec["escape_whitespaces"],
        suffix,
        symbols,
    )


def _from_bytes(values: list[int]) -> str:
    """Decode UTF-8. Each byte that is not part of a character becomes U+FFFD."""
    return _NOT_UTF8.sub("\ufffd", bytes(values).decode("utf-8", "surrogateescape"))
