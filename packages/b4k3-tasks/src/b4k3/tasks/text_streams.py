"""Text of tokens while they come, in pieces that join to the text of all of them.

A token may be a part of a character, and a later token may change the text of an earlier one: the tokens "don", "'",
"t" and "know" are first "don' t" and then "don't know". So a piece of text is given away when the next token has come
and has left it as it was:

    tokens so far    text             given away
    don              don
    don '            don'             don
    don ' t          don' t           don'
    don ' t know     don't know
    the end          don't know       don't know

A token can change the text of the token before it, and nothing before that, so the text before that is final.
"""

from __future__ import annotations

import os
import re
from typing import Any, Iterable, Iterator, Sequence

CONTEXT = 8  # how many of the last tokens of a prompt are decoded with the tokens that follow it
UNKNOWN = "\ufffd"  # what stands for a part of a character
_IS_BYTE = re.compile("<0x[0-9A-Fa-f]{2}>").fullmatch


class TextStream:
    """The text that tokens add to a prompt.

    A text that goes on after a prompt may begin with a blank, which a decoder leaves out at the beginning of a text. So
    the last tokens of the prompt are decoded with the new ones, and their text is taken off again.

    Arguments:
        tokenizer: a tokenizer of b4k3-tokenizers.
        prompt: list of int. The ids of the prompt that the tokens continue; [] if they begin a text of their own.
        hidden: set of int. The ids that stand for no text.
        stop: list of str. Texts at which the text ends; they are not in it.

    Example:
        >>> from b4k3.tasks.text_streams import TextStream
        >>> from b4k3.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] we walk ##ed home .".split()
        >>> stream = TextStream(Tokenizer({word: i for i, word in enumerate(words)}), prompt=[2, 4])
        >>> stream.text([5, 6, 7, 8]), list(stream.pieces([5, 6, 7, 8]))
        (' walked home.', [' walk', 'ed', ' home', '.'])
    """

    def __init__(
        self, tokenizer: Any, prompt: Sequence[int] = (), hidden: Iterable[int] = (), stop: Sequence[str] = ()
    ) -> None:
        self.tokenizer, self.hidden, self.stop = tokenizer, frozenset(hidden), tuple(stop)
        self.prompt = self._shown(prompt)[-CONTEXT:]
        self.before: str = tokenizer.decode(self.prompt) if self.prompt else ""

    def text(self, ids: Iterable[int]) -> str:
        """Decode tokens.

        Arguments:
            ids: iterable of int.

        Returns:
            str. The text up to the first of the texts that end it.
        """
        text = self._decoded(self._shown(ids))
        ends = [text.find(end) for end in self.stop if end in text]
        return text[: min(ends)] if ends else text

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """Decode tokens as they come. No further id is read once the text has ended.

        Arguments:
            ids: iterable of int. It is read one by one.

        Yields:
            str, never empty. The pieces join to `text(ids)`.
        """
        read: list[int] = []
        given, last = 0, ""
        for i in ids:
            if i in self.hidden:
                continue
            read.append(i)
            if _IS_BYTE(self.tokenizer.id_to_token(i)):
                continue  # a run of bytes is text only when it is complete
            text = self._decoded(read)
            if text == last:
                continue  # a token without text does not show that the text before it is final
            final = text[: len(os.path.commonprefix([last, text]))].rstrip(UNKNOWN)
            if any(end in final for end in self.stop):
                break
            length = len(final) - self._begun(final)
            if length > given:
                yield text[given:length]
                given = length
            last = text
        rest = self.text(read)[given:]
        if rest:
            yield rest

    def _begun(self, text: str) -> int:
        """Return how many of the last characters of a text may be the beginning of a text that ends it."""
        begun = (n for end in self.stop for n in range(1, len(end)) if text.endswith(end[:n]))
        return max(begun, default=0)

    def _shown(self, ids: Iterable[int]) -> list[int]:
        """Return the ids that stand for text."""
        return [int(i) for i in ids if i not in self.hidden]

    def _decoded(self, ids: list[int]) -> str:
        """Decode ids that go on after the prompt."""
        if not self.prompt:
            return self.tokenizer.decode(ids)
        whole: str = self.tokenizer.decode(self.prompt + ids)
        return whole[len(self.before) :] if whole.startswith(self.before) else self.tokenizer.decode(ids)


def ids_without_text(tokenizer: Any) -> set[int]:
    """Find the special tokens of a tokenizer.

    Arguments:
        tokenizer: a tokenizer of b4k3-tokenizers.

    Returns:
        set of int. The ids that stand for no text.
    """
    names = [f"_token_{name}_id" for name in ("pad", "unk", "mask", "start", "end")]
    special = {token.id for token in getattr(tokenizer, "_added_tokens", ()) if token.special}
    return special | {getattr(tokenizer, name) for name in names if hasattr(tokenizer, name)}
