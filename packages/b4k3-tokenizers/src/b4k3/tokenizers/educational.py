"""This module has the four algorithms of the package in plain Python, without caches and tricks, to be read.

`WordPiece`, `Unigram` and `BPE` give the same ids as `Tokenizer` and `SentencePieceModel`, and `RankedBPE` gives those
of `BpeTokenizer`. The tests compare them on many texts. Use them to learn how a text becomes ids, or to find out why a
text has the ids that it has; use the fast classes for everything else.

`Unigram` and `BPE` get the pieces of a model, and the text as the model normalises it:

    model = SentencePieceModel("spiece.model")
    usable = [i for i in range(len(model)) if not (model.is_control(i) or model.is_unknown(i))]
    vocabulary = {model.id_to_piece(i): (i, model.score(i)) for i in usable}
    Unigram(vocabulary, model.unk_id).encode(model.normalize("Hello world"))  # the same as model.encode("Hello world")

They know nothing of byte fallback, user-defined symbols and unused pieces, which some models have.
"""

from __future__ import annotations

import struct
import unicodedata


class WordPiece:
    """Cut text into the pieces of a vocabulary, as BERT does (Devlin et al. 2018, arXiv:1810.04805).

    The text is first split into words: at white space, and around punctuation and ideographs. Then each word is cut
    from the left. The longest token of the vocabulary that the word begins with is the first piece. The longest token
    that the rest begins with is the next one, and so on; pieces inside a word are marked with "##". If some part
    of a word fits no token, the whole word is unknown.

    Arguments:
        token_dict: dict of str to int. The tokens of the vocabulary, and their ids.
        lower: bool. Whether to lower-case text and strip accents.
        unknown: str. The token for words that cannot be cut.
        word_maxlen: int. A longer word is unknown.

    Example:
        >>> tokens = "[UNK] un ##aff ##able ##a , 天 气".split()
        >>> wordpiece = WordPiece({token: i for i, token in enumerate(tokens)}, lower=True)
        >>> wordpiece.words("Unaffable,天气")
        ['unaffable', ',', '天', '气']
        >>> wordpiece.pieces("unaffable")  # "##aff" is longer than "##a"
        ['un', '##aff', '##able']
        >>> wordpiece.pieces("unhappy")  # No token fits "happy", so the word stays as it is.
        ['unhappy']
        >>> wordpiece.encode("Unaffable, unhappy")
        [1, 2, 3, 5, 0]
    """

    def __init__(
        self, token_dict: dict[str, int], lower: bool = False, unknown: str = "[UNK]", word_maxlen: int = 200
    ) -> None:
        self.token_dict, self.lower, self.unknown, self.word_maxlen = token_dict, lower, unknown, word_maxlen

    def words(self, text: str) -> list[str]:
        """Split a text into words.

        Arguments:
            text: str. The text.

        Returns:
            list of str. The words. Each punctuation mark and each ideograph is one.
        """
        cleaned = ""
        for char in text:
            if _is_space(char):
                cleaned += " "
            elif _is_ideograph(char):
                cleaned += f" {char} "
            elif not _is_dropped(char):
                cleaned += char
        words = []
        for word in cleaned.split():
            if self.lower:
                decomposed = unicodedata.normalize("NFD", word.lower())  # "é" becomes "e" and an accent
                word = "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
            words += "".join(f" {char} " if _is_punctuation(char) else char for char in word).split()
        return words

    def pieces(self, word: str) -> list[str]:
        """Cut a word into pieces.

        Arguments:
            word: str. The word.

        Returns:
            list of str. The pieces; the word alone if it cannot be cut.
        """
        if len(word) > self.word_maxlen:
            return [word]
        pieces, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):  # the longest piece first
                if mark + word[start:end] in self.token_dict:
                    break
            else:
                return [word]
            pieces.append(mark + word[start:end])
            start = end
        return pieces

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces.

        Arguments:
            text: str. The text.

        Returns:
            list of str. The pieces of its words. A word that cannot be cut stays as it is.
        """
        return [piece for word in self.words(text) for piece in self.pieces(word)]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        Arguments:
            text: str. The text.

        Returns:
            list of int. The ids of its pieces.
        """
        return [self.token_dict.get(piece, self.token_dict[self.unknown]) for piece in self.tokenize(text)]


def _is_space(char: str) -> bool:
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


def _is_dropped(char: str) -> bool:
    """Return True for control characters. Tabs and line ends are among them, so ask `_is_space` first."""
    return char in "\0\ufffd" or unicodedata.category(char) in ("Cc", "Cf")


def _is_punctuation(char: str) -> bool:
    """Return True for the punctuation of Unicode, and for every ASCII character that is no letter, digit or space."""
    return unicodedata.category(char).startswith("P") or "!" <= char <= "~" and not char.isalnum()


def _is_ideograph(char: str) -> bool:
    """Return True for Chinese characters. Google's `tokenization.py` names the same blocks."""
    blocks = "\u3400\u4dbf \u4e00\u9fff \uf900\ufaff \U00020000\U0002a6df \U0002a700\U0002b73f"
    blocks += " \U0002b740\U0002b81f \U0002b820\U0002ceaf \U0002f800\U0002fa1f"
    return any(first <= char <= last for first, last in blocks.split())


class _Pieces:
    """Hold what `Unigram` and `BPE` share: a vocabulary with scores, and the way from pieces to ids."""

    def __init__(self, vocabulary: dict[str, tuple[int, float]], unk_id: int = 0) -> None:
        self.vocabulary, self.unk_id = vocabulary, unk_id

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces."""
        raise NotImplementedError

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        Arguments:
            text: str. The normalised text.

        Returns:
            list of int. The ids of its pieces, with one unknown id for neighbouring unknown characters.
        """
        ids: list[int] = []
        for piece in self.tokenize(text):
            i = self.vocabulary[piece][0] if piece in self.vocabulary else self.unk_id
            if not (ids and i == ids[-1] == self.unk_id):
                ids.append(i)
        return ids


class Unigram(_Pieces):
    """Find the most probable segmentation of a text (Kudo 2018, arXiv:1804.10959) with the Viterbi algorithm.

    Each piece has a score, the logarithm of its probability. The score of a segmentation is the sum of the scores of
    its pieces. A text of n characters has up to 2**(n - 1) segmentations, but it is not necessary to look at all of
    them: the best segmentation up to a place is the best one up to the beginning of its last piece, and that piece. So
    one pass from left to right finds for each place the best score, and where the last piece begins. Then the best
    segmentation of the text is read off from right to left.

    Arguments:
        vocabulary: dict of str to (int, float). The pieces, and the id and the score of each.
        unk_id: int. The id of unknown characters. A character that is no piece has the lowest of all scores minus 10.

    Example:
        >>> scores = {"h": -5.0, "e": -4.0, "l": -4.0, "o": -4.0, "he": -4.5, "llo": -6.0, "hell": -8.0}
        >>> unigram = Unigram({piece: (i, score) for i, (piece, score) in enumerate(scores.items(), 1)})
        >>> unigram.tokenize("hello")  # he + llo: -10.5, hell + o: -12.0, h + e + llo: -15.0
        ['he', 'llo']
        >>> unigram.encode("hello??")
        [5, 6, 0]
    """

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces.

        Sums are rounded to 32 bits, as in the C++ library, because that decides between segmentations whose scores are
        nearly the same. The library also starts to count from 0 again when a score exceeds 100,000.

        Arguments:
            text: str. The normalised text, in which the space symbol "▁" stands for blanks.

        Returns:
            list of str. The pieces. Each unknown character is one.
        """
        longest = max(map(len, self.vocabulary), default=1)
        unknown = min((score for _, score in self.vocabulary.values()), default=0.0) - 10.0
        best = [0.0] + [-float("inf")] * len(text)  # the best score of the text before each place
        begins = [0] * (len(text) + 1)  # where the last piece of that segmentation begins
        for start in range(len(text)):
            if abs(best[start]) > 100000:
                best[start:] = [_float32(score - best[start]) for score in best[start:]]
            for end in range(start + 1, min(start + longest, len(text)) + 1):
                if text[start:end] in self.vocabulary:
                    step = self.vocabulary[text[start:end]][1]
                elif end == start + 1:
                    step = unknown
                else:
                    continue
                score = _float32(best[start] + _float32(step))
                if score > best[end]:
                    best[end], begins[end] = score, start
        pieces, end = [], len(text)
        while end:
            pieces.append(text[begins[end] : end])
            end = begins[end]
        return pieces[::-1]


def _float32(x: float) -> float:
    return struct.unpack("f", struct.pack("f", x))[0]


class BPE(_Pieces):
    """Merge characters to pieces, with byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909).

    The text starts as a row of characters. In each step all pairs of neighbours are looked at whose union is a piece.
    The pair whose union has the highest score is merged; of equal scores the leftmost one. When no union is a piece,
    the row is the segmentation. In training, the pair that is most frequent was merged first and got the highest score.

    Arguments:
        vocabulary: dict of str to (int, float). The pieces, and the id and the score of each.
        unk_id: int. The id of unknown characters.

    Example:
        >>> scores = {"h": 0, "e": 0, "l": 0, "o": 0, "ll": -1, "he": -2, "hell": -3, "lo": -4}
        >>> bpe = BPE({piece: (i, score) for i, (piece, score) in enumerate(scores.items(), 1)})
        >>> bpe.tokenize("hello")  # h e l l o -> h e ll o -> he ll o -> hell o
        ['hell', 'o']
        >>> bpe.encode("hello??")
        [7, 4, 0]
    """

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces.

        Arguments:
            text: str. The normalised text, in which the space symbol "▁" stands for blanks.

        Returns:
            list of str. The pieces. Each unknown character is one.
        """
        symbols = list(text)
        while True:
            unions = [a + b for a, b in zip(symbols, symbols[1:])]
            places = [place for place, union in enumerate(unions) if union in self.vocabulary]
            if not places:
                return symbols
            place = max(places, key=lambda place: self.vocabulary[unions[place]][1])  # the first of equal scores
            symbols[place : place + 2] = [unions[place]]


class RankedBPE:
    """Merge bytes or characters in the order of a list of merges (Sennrich et al. 2016, arXiv:1508.07909).

    This is the BPE of GPT-2. `BPE` above is the one of SentencePiece: there a piece has a score, and any two neighbours
    whose union is a piece can be merged. Here a pair of tokens has a rank, its place in the list of merges. In each
    step the pair of neighbours with the lowest rank is merged, of equal ranks the leftmost one, until no pair is in the
    list. In training, the pair that was most frequent was merged first and got the first place.

    Arguments:
        token_dict: dict of str to int. The tokens, and their ids.
        merges: list of (str, str). The pairs that are merged, the most important first.

    Example:
        >>> token_dict = {token: i for i, token in enumerate(["h", "e", "l", "o", "ll", "he", "hell"])}
        >>> bpe = RankedBPE(token_dict, [("l", "l"), ("h", "e"), ("he", "ll")])
        >>> bpe.tokenize("hello")  # h e l l o -> h e ll o -> he ll o -> hell o
        ['hell', 'o']
        >>> bpe.encode("hello")
        [6, 3]
    """

    def __init__(self, token_dict: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self.token_dict = token_dict
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}

    def tokenize(self, word: str) -> list[str]:
        """Cut a word into tokens.

        Arguments:
            word: str. The word. In byte-level BPE it is written with one character for each byte.

        Returns:
            list of str. The tokens.
        """
        symbols = list(word)
        while True:
            pairs = list(zip(symbols, symbols[1:]))
            places = [place for place, pair in enumerate(pairs) if pair in self.ranks]
            if not places:
                return symbols
            place = min(places, key=lambda place: self.ranks[pairs[place]])  # the first of equal ranks
            symbols[place : place + 2] = ["".join(pairs[place])]

    def encode(self, word: str) -> list[int]:
        """Return the ids of a word.

        Arguments:
            word: str. The word.

        Returns:
            list of int. The ids of its tokens.

        Raises:
            KeyError: A character is no token.
        """
        return [self.token_dict[token] for token in self.tokenize(word)]
