"""Look up the pieces of a SentencePiece model, and what the file says about each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._checks import check_text, checked_int
from ._spm import BYTE, CONTROL, UNKNOWN, UNUSED, is_reserved

if TYPE_CHECKING:
    from ._spm import SpmModel


class PieceTable:
    """This is the base of `SentencePieceModel`. It has all that does not depend on the segmentation."""

    def _set_pieces(self, spec: SpmModel) -> None:
        self._spec = spec
        self._unk_id = spec.types.index(UNKNOWN)
        self._ids: dict[str, int] = {}
        for i, piece in enumerate(spec.pieces):  # Of two pieces of one spelling, the reserved one counts.
            if piece not in self._ids or is_reserved(spec.types[i]):
                self._ids[piece] = i

    def __len__(self) -> int:
        return len(self._spec.pieces)

    @property
    def model_type(self) -> str:
        """The name of the algorithm: 'unigram' or 'bpe'."""
        return self._spec.model_type

    @property
    def pieces(self) -> list[str]:
        """All pieces in the order of their ids, as a new list."""
        return list(self._spec.pieces)

    @property
    def unk_id(self) -> int:
        """The id of the unknown piece."""
        return self._unk_id

    @property
    def bos_id(self) -> int:
        """The id of the piece for the beginning of a text, -1 if the model has none."""
        return self._control_id("bos_piece")

    @property
    def eos_id(self) -> int:
        """The id of the piece for the end of a text, -1 if the model has none."""
        return self._control_id("eos_piece")

    @property
    def pad_id(self) -> int:
        """The id of the piece for padding, -1 if the model has none."""
        return self._control_id("pad_piece")

    def _control_id(self, name: str) -> int:
        i = self._ids.get(self._spec.trainer[name], -1)
        return i if i >= 0 and self.is_control(i) else -1

    @property
    def space_last(self) -> bool:
        """Whether the space symbol is at the end of words."""
        return self._spec.trainer["treat_whitespace_as_suffix"]

    def piece_to_id(self, piece: str) -> int:
        """Return the id of a piece.

        Arguments:
            piece: str. The piece.

        Returns:
            int. Its id; the id of the unknown piece if the model does not have the piece.

        Raises:
            TypeError: The piece is no str.
        """
        check_text(piece, "piece")
        return self._ids.get(piece, self.unk_id)

    def id_to_piece(self, i: int) -> str:
        """Return the piece of an id.

        Arguments:
            i: int. The id.

        Returns:
            str. The piece.

        Raises:
            IndexError: The model does not have the id.
            TypeError: The id is no number.
            ValueError: The id is no integer.
        """
        return self._spec.pieces[self._checked_id(i)]

    def _checked_id(self, i: int) -> int:
        if type(i) is not int:
            i = checked_int(i, "id")
        if not 0 <= i < len(self._spec.pieces):
            raise IndexError(f"id {i} is outside 0 .. {len(self._spec.pieces) - 1}")
        return i

    def score(self, i: int) -> float:
        """Return the score of an id.

        Arguments:
            i: int. The id.

        Returns:
            float. The log probability of the piece (unigram), or minus the rank of its merge (BPE).
        """
        return self._spec.scores[self._checked_id(i)]

    def is_control(self, i: int) -> bool:
        """Say whether an id is a control symbol, which no text gives.

        Arguments:
            i: int. The id.

        Returns:
            bool.
        """
        return self._spec.types[self._checked_id(i)] == CONTROL

    def is_unknown(self, i: int) -> bool:
        """Say whether an id is the unknown piece.

        Arguments:
            i: int. The id.

        Returns:
            bool.
        """
        return self._spec.types[self._checked_id(i)] == UNKNOWN

    def is_unused(self, i: int) -> bool:
        """Say whether an id is a piece that the model does not use.

        Arguments:
            i: int. The id.

        Returns:
            bool.
        """
        return self._spec.types[self._checked_id(i)] == UNUSED

    def is_byte(self, i: int) -> bool:
        """Say whether an id is one of the 256 bytes of byte fallback.

        Arguments:
            i: int. The id.

        Returns:
            bool.
        """
        return self._spec.types[self._checked_id(i)] == BYTE
