"""Texts as rows of ids that a network continues or answers, and as rows that it is trained on.

There are three forms. For the text "a b" and the answer "c", with [CLS] and [SEP] around texts, they are

    Continuation    [CLS] a b        | c [SEP]     the network goes on after the prompt
    SecondSegment   [CLS] a b [SEP]  | c [SEP]     the answer is the second segment (UniLM)
    Answer          [CLS] a b [SEP]    in the encoder, and  start | c [SEP]  in the decoder

What is right of the bar is generated, and is what the loss counts. Other tokenizers have other tokens around a text, or
none.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from b4k3.models import ConfigError
from b4k3.models.generation.engine import start_of

from .token_losses import IGNORED


class Prompts(NamedTuple):
    """Rows of ids that are given to `Transformer.generate`.

    Attributes:
        rows: list of lists of int.
        cut: int. How many texts were cut because they were too long.

    Example:
        >>> from b4k3.tasks.prompts import Prompts
        >>> Prompts([[2, 5, 6]], 0).cut
        0
    """

    rows: list[list[int]]
    cut: int


class Continuation:
    """Prompts of a language model, which goes on after them.

    Special tokens that the tokenizer puts after a text are left out. Of a prompt that is too long the end is kept.

    Arguments:
        opened: `Opened`. The network and its tokenizer.
        end: int or None. The id that ends an answer in training.

    Attributes:
        start_id: int or None. The `start_id` of `Transformer.generate`.
        shares_limit: bool. Whether prompt and answer stand in one row.
        goes_on: bool. Whether an answer continues the text of its prompt.

    Example:
        >>> from b4k3.tasks.prompts import Continuation
        >>> Continuation.goes_on
        True
    """

    shares_limit = True
    goes_on = True
    start_id: int | None = None

    def __init__(self, opened: Any, end: int | None) -> None:
        self.tokenizer, self.transformer, self.end = opened.tokenizer, opened.transformer, end
        before, after = self.tokenizer._ids_around()
        self.before, self.after = list(before), list(after)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize texts, without special tokens around them.

        Arguments:
            texts: list of str.

        Returns:
            list of lists of int.
        """
        rows = self.tokenizer.encode_batch(texts, maxlen=None, padding=False).ids
        return [row[len(self.before) : len(row) - len(self.after)] for row in rows]

    def prompts(self, texts: Sequence[str], maxlen: int | None) -> Prompts:
        """Make the prompts of texts.

        Arguments:
            texts: list of str.
            maxlen: int or None. The largest number of ids in a row.

        Returns:
            `Prompts`.

        Raises:
            ConfigError: a prompt has no token.
        """
        rows = [self.before + row for row in self.ids(texts)]
        for i, row in enumerate(rows):
            if not row:
                raise ConfigError(f"texts[{i}] is {texts[i]!r}, which has no token that could be continued")
        long = [row for row in rows if maxlen is not None and len(row) > maxlen]
        return Prompts([_keep_end(row, len(self.before), maxlen) for row in rows], len(long))

    def columns(self, texts: Sequence[str], targets: Sequence[str] | None, maxlen: int | None) -> tuple[list[Any], int]:
        """Make the rows of a training.

        Arguments:
            texts: list of str.
            targets: list of str, or None. None trains on every token of the texts.
            maxlen: int or None. The largest number of ids in a row.

        Returns:
            (list of rows of each input of the network, and of the labels; how many texts were cut).
        """
        prompts = [self.before + row for row in self.ids(texts)]
        if targets is None:
            prompts, answers = [row[:1] for row in prompts], [row[1:] for row in prompts]
        else:
            answers = self.ids(targets)
        ids, labels, cut = [], [], 0
        for prompt, answer in zip(prompts, answers):
            answer = answer + ([] if self.end is None else [self.end])
            if maxlen is not None and len(prompt) + len(answer) - 1 > maxlen:
                cut += 1
                answer = answer[: maxlen - len(self.before)]
                prompt = _keep_end(prompt, len(self.before), max(maxlen + 1 - len(answer), 1))
            ids.append((prompt + answer)[:-1])
            labels.append([IGNORED] * (len(prompt) - 1) + answer if prompt else answer[1:])
        return [*self._inputs(ids), labels], cut

    def _inputs(self, ids: list[list[int]]) -> list[Any]:
        """Return the rows of the inputs of the network."""
        segments = [[[0] * len(row) for row in ids]] if len(self.transformer.inputs) > 1 else []
        return [ids, *segments]


class SecondSegment(Continuation):
    """Prompts of a UniLM, which writes its second segment after them. Of a prompt that is too long the end is cut off.

    Arguments:
        opened: `Opened`. The network and its tokenizer.
        end: int or None. The id that ends an answer.

    Example:
        >>> from b4k3.tasks.prompts import SecondSegment
        >>> SecondSegment.goes_on
        False

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """

    goes_on = False

    def prompts(self, texts: Sequence[str], maxlen: int | None) -> Prompts:
        """Make the prompts of texts, with the special tokens around them.

        Arguments:
            texts: list of str.
            maxlen: int or None. The largest number of ids in a row.

        Returns:
            `Prompts`.
        """
        return self._around(texts, maxlen)

    def _around(self, texts: Sequence[str], maxlen: int | None) -> Prompts:
        """Return rows with the special tokens around the texts."""
        ids, around = self.ids(texts), len(self.before) + len(self.after)
        room = None if maxlen is None else max(maxlen - around, 0)
        cut = sum(room is not None and len(row) > room for row in ids)
        return Prompts([self.before + row[:room] + self.after for row in ids], cut)

    def columns(self, texts: Sequence[str], targets: Sequence[str] | None, maxlen: int | None) -> tuple[list[Any], int]:
        """Make the rows of a training, as `tokenizer.encode(text, target, maxlen=maxlen)` does.

        Arguments:
            texts: list of str.
            targets: list of str.
            maxlen: int or None. The largest number of ids in a row.

        Returns:
            (list of rows of ids, of segment ids and of labels; how many pairs were cut).

        Raises:
            ConfigError: there are no targets, or the tokenizer has no second segment.
        """
        if targets is None:
            raise ConfigError("targets: this network answers texts, so each text needs a target")
        pairs = [self.tokenizer.encode(text, target) for text, target in zip(texts, targets)]
        long = [maxlen is not None and len(ids) > maxlen for ids, _ in pairs]
        if any(long):
            pairs = [self.tokenizer.encode(text, target, maxlen=maxlen) for text, target in zip(texts, targets)]
        if not all(any(segments) for _, segments in pairs):
            raise ConfigError("this tokenizer gives no second segment to a target, which application='unilm' needs")
        labels = [[i if s else IGNORED for i, s in zip(ids[1:], segments[1:])] for ids, segments in pairs]
        return [[ids[:-1] for ids, _ in pairs], [segments[:-1] for _, segments in pairs], labels], sum(long)


class Answer(SecondSegment):
    """Prompts of an encoder-decoder, whose decoder writes the answer.

    Arguments:
        opened: `Opened`. The network and its tokenizer.
        end: int or None. The id that ends an answer.

    Example:
        >>> from b4k3.tasks.prompts import Answer
        >>> Answer.shares_limit
        False
    """

    shares_limit = False

    def __init__(self, opened: Any, end: int | None) -> None:
        super().__init__(opened, end)
        decoder = self.transformer._decoder
        said = getattr(decoder, "decoder_start_token_id", None)
        start = start_of(decoder) if said is not None or not self.before else self.before[0]  # [CLS] for T5-PEGASUS
        self.start_id = int(start)

    def columns(self, texts: Sequence[str], targets: Sequence[str] | None, maxlen: int | None) -> tuple[list[Any], int]:
        """Make the rows of a training: the decoder predicts each token of the target from the tokens before it.

        Arguments:
            texts: list of str.
            targets: list of str.
            maxlen: int or None. The largest number of ids in a row, of texts and of targets.

        Returns:
            (list of rows of the encoder's ids, of the decoder's ids and of labels; how many texts or targets were cut).

        Raises:
            ConfigError: there are no targets.
        """
        if targets is None:
            raise ConfigError("targets: this network answers texts, so each text needs a target")
        sources, answers = self._around(texts, maxlen), self._around(targets, maxlen)
        labels = [row[1:] if row[:1] == [self.start_id] else row for row in answers.rows]
        if self.end is not None:
            labels = [row if row[-1:] == [self.end] else [*row, self.end] for row in labels]
        ids = [[self.start_id, *row[:-1]] for row in labels]
        return [sources.rows, ids, labels], sources.cut + answers.cut


def _keep_end(row: list[int], before: int, maxlen: int | None) -> list[int]:
    """Cut a row to `maxlen` ids: keep the first `before` of them and the last ones."""
    if maxlen is None or len(row) <= maxlen:
        return row
    before = min(before, maxlen)
    return row[:before] + row[len(row) - (maxlen - before) :]
