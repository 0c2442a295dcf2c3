"""`BpeTokenizer`: byte-pair encoding of GPT-2, RoBERTa, Llama, Qwen and CLIP, with the interface of `Tokenizer`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

from ._byte_level import BYTE_OF_CHAR, without_surrogates
from ._checks import check_text, checked_ids, checked_int
from ._pre_tokenizers import Metaspace, Part
from ._segmenter import ids_of
from ._text_steps import apply_steps
from .added_tokens import SPACES, AddedToken, AddedTokens, TextPart, with_new_tokens
from .base import TokenizerBase
from .bpe_files import describe, describe_tiktoken
from .bpe_parts import BpeParts, read_parts
from .vocab import VocabError

if TYPE_CHECKING:
    from typing import Literal, Union

    from ._json import Node

    Piece = Union[Part, TextPart]

_PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>", "<PAD>")
_BLANK = next(char for char, byte in BYTE_OF_CHAR.items() if byte == 0x20)


class BpeTokenizer(TokenizerBase):
    """Tokenize text with byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909). It needs the package `regex`.

    `load_tokenizer_json` makes one from a `tokenizer.json`, and `from_tiktoken` from the ranks of tiktoken. The
    constructor takes the older two files, `vocab.json` and `merges.txt`, as byte-level BPE: GPT-2, RoBERTa, BART, Qwen.
    The ids, offsets and texts are the same as from Hugging Face's tokenizers. `educational.RankedBPE` is the algorithm
    in few lines.

    Arguments:
        vocab: str, path-like or dict. The file `vocab.json`, or the id of each token.
        merges: str, path-like or list. The file `merges.txt`, or pairs of tokens, the first merges first.
        pattern: str. The regular expression that cuts a text into words: one that `tokenizer.json` may have, or the
            name of one: "gpt2", "llama3", "qwen2", "cl100k_base", "o200k_base".
        add_prefix_space: bool. Whether a text gets a blank before it. RoBERTa's tokenizers have False as default.
        specials: list of str, or dict of str to int. The special tokens, such as "<|endoftext|>". Those that the
            vocabulary lacks get the ids after the last one; a dict says the ids.
        special_tokens: str. What to do with a special token that is written in a text: "recognise" gives that token,
            "split" treats it as any other text, "refuse" raises a ValueError.
        description: dict or None. Parts of a `tokenizer.json` that replace the ones that follow from the arguments,
            such as {"normalizer": {"type": "NFC"}} or {"model": {"unk_token": "<unk>"}}.
        token_start: str or None. The token before a text; None for none.
        token_end: str or None. The token after a text; None for none.
        cache_size: int. The number of words whose ids are kept, and of chunks of long words.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: A file is broken, or says what this package cannot do.
        ImportError: The package `regex` is not installed.

    Example:
        >>> from b4k3.tokenizers._byte_level import BYTE_CHARS
        >>> tokens = [*BYTE_CHARS, "he", "ll", "hell", "hello", "Ġw", "<|endoftext|>"]
        >>> merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "w")]
        >>> vocab = {token: i for i, token in enumerate(tokens)}
        >>> tokenizer = BpeTokenizer(vocab, merges, specials=["<|endoftext|>"])
        >>> tokenizer.tokenize("hello wé<|endoftext|>")
        ['hello', 'Ġw', 'Ã', '©', '<|endoftext|>']
        >>> token_ids, segment_ids = tokenizer.encode("hello wé")
        >>> token_ids, tokenizer.decode(token_ids)
        ([259, 260, 195, 169], 'hello wé')
        >>> [*tokenizer.decode_stream(token_ids)]  # a character is given when all of its bytes are there
        ['hello', ' w', 'é']
    """

    def __init__(
        self,
        vocab: str | os.PathLike[str] | dict[str, int],
        merges: str | os.PathLike[str] | Iterable[tuple[str, str]],
        pattern: str = "gpt2",
        add_prefix_space: bool = False,
        specials: Iterable[str] | Mapping[str, int] = (),
        special_tokens: Literal["split", "recognise", "refuse"] = "recognise",
        *,
        description: Mapping[str, Any] | None = None,
        token_start: str | None = None,
        token_end: str | None = None,
        cache_size: int = 1 << 16,
    ) -> None:
        found = describe(vocab, merges, pattern, add_prefix_space, specials, description or {})
        self._open(
            found, special_tokens=special_tokens, token_start=token_start, token_end=token_end, cache_size=cache_size
        )

    @classmethod
    def from_tiktoken(
        cls,
        path: str | os.PathLike[str],
        pattern: str,
        specials: Iterable[str] | Mapping[str, int] = (),
        special_tokens: Literal["split", "recognise", "refuse"] = "recognise",
        *,
        token_start: str | None = None,
        token_end: str | None = None,
        cache_size: int = 1 << 16,
    ) -> BpeTokenizer:
        """Read the ranks of tiktoken, a text file with a token in base64 and its rank on each line.

        Arguments:
            path: str or path-like. The file.
            pattern: str. The regular expression that cuts a text into words, or the name of one; see `BpeTokenizer`.
            specials: list of str, or dict of str to int. The special tokens; see `BpeTokenizer`.
            special_tokens: str. What to do with a special token that is written in a text; see `BpeTokenizer`.
            token_start: str or None. The token before a text; None for none.
            token_end: str or None. The token after a text; None for none.
            cache_size: int. The number of words whose ids are kept.

        Returns:
            BpeTokenizer.

        Raises:
            FileNotFoundError: There is no such file.
            VocabError: It is broken. The message names the line.

        Example:
            >>> import base64
            >>> tokens = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hell"]
            >>> lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
            >>> count = open("small.tiktoken", "w").write("\\n".join(lines))
            >>> tokenizer = BpeTokenizer.from_tiktoken("small.tiktoken", "qwen2", specials=["<|endoftext|>"])
            >>> tokenizer.encode("hello<|endoftext|>")[0]
            [258, 111, 259]
        """
        tokenizer = cls.__new__(cls)
        tokenizer._open(
            describe_tiktoken(path, pattern, specials),
            by_union=True,
            special_tokens=special_tokens,
            token_start=token_start,
            token_end=token_end,
            cache_size=cache_size,
        )
        return tokenizer

    def _open(
        self,
        description: Node,
        special_tokens: str = "recognise",
        cache_size: int = 1 << 16,
        by_union: bool = False,
        token_start: str | None = None,
        token_end: str | None = None,
    ) -> None:
        """Take everything but template, truncation and padding from the description of a tokenizer."""
        super().__init__(token_start, token_end)
        if special_tokens not in ("split", "recognise", "refuse"):
            raise ValueError(f"special_tokens={special_tokens!r}; expected 'split', 'recognise' or 'refuse'")
        self._special_tokens = special_tokens
        parts, tokens = read_parts(description, checked_int(cache_size, "cache_size", 0), by_union)
        self._set_parts(parts)
        contents = {token.content for token in tokens}
        unk = parts.model.settings.unk_token
        pad = next((name for name in _PAD_TOKENS if name in contents or name in parts.model.vocab), "[PAD]")
        self._token_unk, self._token_pad = unk or "", pad
        self._token_mask = "<mask>" if "<mask>" in contents else "[MASK]"
        self._set_added(tokens)
        self._warn_of_missing_specials(self._id_of_token, f"no token of {description.path}")

    @property
    def _json_model(self) -> str:
        return self._parts.kind

    def _set_parts(self, parts: BpeParts) -> None:
        self._parts, self._model = parts, parts.model
        schemes = [step._scheme == "first" for step in parts.pre_tokenizers if isinstance(step, Metaspace)]
        # Without places it is known what stands first only if nothing was applied to the text before.
        lone = len(parts.pre_tokenizers) == 1 and not parts.steps
        self._needs_places = any(schemes) and not lone

    def _set_added(self, tokens: Iterable[AddedToken]) -> None:
        """Set the added tokens. Texts are searched for some of them, `_sought`, as `special_tokens` says."""
        self._added_tokens = tuple(sorted(tokens, key=lambda token: token.id))
        sought = [t for t in self._added_tokens if not t.special or self._special_tokens != "split"]
        self._sought = AddedTokens(sought, self._normalized)
        self._token_dict = dict(self._model.vocab, **{token.content: token.id for token in self._added_tokens})
        self._token_dict_inv = {i: token for token, i in self._token_dict.items()}
        self._vocab_size = len(self._token_dict)
        self._special_ids = frozenset(token.id for token in self._added_tokens if token.special)
        self._set_special_ids(self._token_dict.get)

    def _normalized(self, text: str) -> tuple[str, Sequence[int]]:
        found, origins = apply_steps(self._parts.steps, text, range(len(text)))
        return found, () if origins is None else origins

    def add_tokens(
        self,
        tokens: Iterable[str],
        special: bool = False,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: bool = False,
    ) -> int:
        """Add tokens of your own. They are found in a text before it is cut into words.

        A token that the vocabulary has keeps its id, and is searched for from now on. The others get the ids after the
        last one, in their order. The embeddings of a model need as many more rows. `save_tokenizer_json` keeps the
        tokens. Do not call this while another thread uses the tokenizer.

        Arguments:
            tokens: list of str. The tokens.
            special: bool. Whether they stand for no text; `decode` leaves them out.
            single_word: bool. Whether they count only where no letter, digit or underscore is next to them.
            lstrip: bool. Whether they take the white space on their left with them.
            rstrip: bool. Whether they take the white space on their right with them.
            normalized: bool. Whether normalised text is searched.

        Returns:
            int. How many of them are new in the vocabulary.

        Raises:
            TypeError: `tokens` is no list of str.
            ValueError: A token is empty.

        Example:
            >>> vocab = {"a": 0, "b": 1, "ab": 2}
            >>> tokenizer = BpeTokenizer(vocab, [("a", "b")])
            >>> tokenizer.add_tokens(["<e>"]), tokenizer.tokenize("ab<e>")
            (1, ['ab', '<e>'])
        """
        settings = {"single_word": single_word, "lstrip": lstrip, "rstrip": rstrip, "normalized": normalized}
        known, added = with_new_tokens(tokens, self._token_dict, self._added_tokens, special=special, **settings)
        count = len(known) - len(self._token_dict)
        self._set_added(added)
        return count

    # ---- tokens and ids

    @property
    def token_dict(self) -> dict[str, int]:
        """The id of each token, added tokens included, as a new dict."""
        return dict(self._token_dict)

    def _id_of_token(self, token: str) -> int | None:
        return self._token_dict.get(token)

    def token_to_id(self, token: str) -> int:
        """Return the id of a token.

        Arguments:
            token: str. The token, as `tokenize` spells it.

        Returns:
            int. Its id; the id of the unknown token if the vocabulary does not have the token.

        Raises:
            TypeError: The token is no str.
            VocabError: The vocabulary has neither the token nor an unknown token.
        """
        check_text(token, "token")
        i = self._token_dict.get(token)
        if i is None:
            i = self._token_dict.get(self._token_unk)
        if i is None:
            raise VocabError(f"the vocabulary of {self._vocab_size} tokens has no {token!r}, and no unknown token")
        return i

    def id_to_token(self, i: int) -> str:
        """Return the token of an id.

        Arguments:
            i: int. The id.

        Returns:
            str. The token.

        Raises:
            TypeError: The id is no number.
            ValueError: The id is no integer.
            VocabError: No token has the id.
        """
        token = self._token_dict_inv.get(i if type(i) is int else checked_int(i, "id"))
        if token is None:
            largest = max(self._token_dict_inv, default=-1)
            raise VocabError(f"no token has the id {i}; the ids of the vocabulary are 0 to {largest}")
        return token

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Turn ids into text, with the decoder of the file.

        Arguments:
            ids: iterable of int. The ids.
            skip_special_tokens: bool. Whether special tokens are left out.

        Returns:
            str. The text. Bytes that are no UTF-8 are U+FFFD.

        Raises:
            TypeError: `ids` is no iterable of ids.
            VocabError: No token has one of the ids. The message says its place.
        """
        ids = checked_ids(ids)
        if skip_special_tokens and self._special_ids:
            ids = [i for i in ids if i not in self._special_ids]
        return self._parts.decoder.decode(self.ids_to_tokens(ids))

    def decode_stream(self, ids: Iterable[int], skip_special_tokens: bool = True) -> Iterator[str]:
        """Turn ids into text while they come, for example from a model that generates.

        Arguments:
            ids: iterable of int. The ids. It is read one by one.
            skip_special_tokens: bool. Whether special tokens are left out.

        Yields:
            str. The next part of the text, never empty and never a part of a character. The parts together are what
            `decode` gives; only in a run of byte tokens such as "<0xE5>" that is no UTF-8, `decode` makes the good
            bytes before the bad ones unknown, too, which a stream has given by then.

        Raises:
            VocabError: No token has one of the ids.

        Example:
            >>> from b4k3.tokenizers._byte_level import BYTE_CHARS
            >>> tokenizer = BpeTokenizer({char: byte for byte, char in enumerate(BYTE_CHARS)}, [])
            >>> [*tokenizer.decode_stream("a中b".encode())]
            ['a', '中', 'b']
        """
        hidden = self._special_ids if skip_special_tokens else frozenset()
        return self._parts.decoder.stream(self.id_to_token(i) for i in ids if i not in hidden)

    # ---- text to ids, offsets and words

    def _tokenize(self, text: str) -> list[str]:
        return [*map(self._token_dict_inv.__getitem__, self._ids(text))]

    def _ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        return [*map(self._ids, texts)]

    def _ids(self, text: str) -> list[int]:
        text = without_surrogates(text)
        id_text = self._model.id_text
        if self._needs_places or self._sought and self._may_have_added(text):
            pieces = self._pieces(text)
            return ids_of("".join([chr(p.token.id) if isinstance(p, TextPart) else id_text(p.text) for p in pieces]))
        if self._parts.steps:
            text = apply_steps(self._parts.steps, text, None)[0]
        words: Sequence[str] = [text] if text else []
        first = True
        for step in self._parts.pre_tokenizers:
            if len(words) == 1:
                words = step.words(words[0], first)
            else:
                words = [word for words_of_one in [step.words(word, False) for word in words] for word in words_of_one]
        return ids_of("".join(map(id_text, words)))

    def _may_have_added(self, text: str) -> bool:
        """Return False only if a text has no added token."""
        if self._sought.may_be_raw(text):
            return True
        if not self._sought.see_normalized:
            return False
        return self._sought.may_be_normalized(apply_steps(self._parts.steps, text, None)[0])

    def _pieces(self, text: str) -> Iterator[Piece]:
        """Yield the added tokens and the words of a text in their order."""
        for part in self._sought.parts(text):
            if part.token:
                if part.token.special and self._special_tokens == "refuse":
                    raise ValueError(
                        f"the text has the special token {part.token.content!r} at character {part.origins[0]}"
                    )
                yield part
                continue
            found, origins = part.text, part.origins
            if not self._sought.see_normalized:
                found, origins = apply_steps(self._parts.steps, found, origins)
            words = [Part(found, origins)] if found and origins is not None else []
            for step in self._parts.pre_tokenizers:
                words = [word for text in words for word in step.parts(text)]
            yield from words

    def _offsets_of_texts(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [*map(self._offsets, texts)]

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        segments = self._model.segments
        offsets: list[tuple[int, int]] = []
        tokens: list[str] = []
        for piece in self._pieces(without_surrogates(text)):
            origins = piece.origins
            if isinstance(piece, TextPart):
                found = [(piece.token.id, 0, len(origins))]
                tokens.append(piece.text)
            else:
                found = segments(piece.text)
                if not piece.text.isascii():
                    origins = [o for char, o in zip(piece.text, origins) for _ in char.encode("utf-8")]
                tokens += [self._token_dict_inv[i] for i, _, _ in found]
            offsets += [(origins[a], origins[b - 1] + 1) for _, a, b in found]
        for prefixed in self._parts.trims:
            offsets = _trimmed(offsets, tokens, prefixed)
        return offsets

    def _word_ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        return [*map(self._word_ids, texts)]

    def _word_ids(self, text: str) -> list[int]:
        id_text, word_ids = self._model.id_text, []
        for k, piece in enumerate(self._pieces(without_surrogates(text))):
            word_ids += [k] * (1 if isinstance(piece, TextPart) else len(id_text(piece.text)))
        return word_ids


def _trimmed(offsets: Sequence[tuple[int, int]], tokens: Sequence[str], prefixed: bool) -> list[tuple[int, int]]:
    """Take the blanks at both ends of tokens off their offsets.

    The first token, and each one at the beginning of the text, keeps its blank if texts get one put before them
    (`prefixed`); of several blanks none was put there.
    """
    found = []
    for k, ((start, end), token) in enumerate(zip(offsets, tokens)):
        blanks = len(token) - len(token.lstrip(_BLANKS))
        if blanks:
            kept = prefixed and blanks == 1 and (k == 0 or start == 0)
            start = start if kept else min(start + blanks, end)
        blanks = len(token) - len(token.rstrip(_BLANKS))
        if blanks and end >= blanks:
            end = max(end - blanks, start)
        found.append((start, end))
    return found


_BLANKS = _BLANK + "".join(SPACES)
