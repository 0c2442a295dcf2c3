"""Texts with masks in, tokens for the masks out."""

from __future__ import annotations

import os
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from b4k3.backend import keras
from b4k3.models import ConfigError, Predictor
from b4k3.models.batching import padded_length
from b4k3.models.cli.subject import Subject
from b4k3.models.errors import warn_caller
from b4k3.tokenizers import Tokenizer

from .batches import padded, run_batches
from .one_line import one_line
from .opening import Opened, checked_texts, open_folder
from .probabilities import softmax
from .saving import write_config, write_folder, write_network
from .task_export import TaskExport
from .text_streams import ids_without_text
from .token_losses import IGNORED
from .token_training import RowBatches, fit_rows

LM_HEAD = "MLM head"
REPLACED, RANDOM = 0.8, 0.1  # the shares of chosen tokens that become the mask, and that become any token


class Filled(NamedTuple):
    """A token in the place of a mask.

    Attributes:
        token: str. The token as it is read.
        token_id: int.
        score: float. Its probability.
        text: str. The text with the token in the place of this mask.

    Example:
        >>> from b4k3.tasks.fill_mask import Filled
        >>> Filled("cat", 7, 0.4, "a cat sleeps").token
        'cat'
    """

    token: str
    token_id: int
    score: float
    text: str


class FillMask(TaskExport):
    """A model that says which tokens may stand in the place of a mask.

    `from_folder` makes it, of an original checkpoint or of a folder of transformers that has the head of a masked
    language model: BERT, RoBERTa, ALBERT, DeBERTa, ModernBERT, NEZHA, RoFormer, the generator of ELECTRA and others.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        maxlen: int or None. The number of tokens at which texts are cut.

    Attributes:
        model: keras.Model. Ids and, if the network knows them, segment ids, to logits, float [batch, n, vocabulary].
        transformer: `Transformer`. The network.
        tokenizer: the tokenizer of b4k3-tokenizers.
        mask_token: str. What stands for a mask in a text, "[MASK]" for example.
        maxlen: int or None. The number of tokens at which texts are cut.

    Raises:
        ConfigError: the vocabulary has no mask, or the network gives no scores for its tokens.

    Example:
        >>> from b4k3.tasks import FillMask
        >>> FillMask.from_folder("no such folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: the pipeline "fill-mask" of https://github.com/huggingface/transformers
    """

    def __init__(self, opened: Opened, maxlen: int | None = None) -> None:
        self.opened, self.transformer, self.tokenizer = opened, opened.transformer, opened.tokenizer
        self.mask_token: str = self.tokenizer._token_mask
        mask_id = getattr(self.tokenizer, "_token_mask_id", None)
        if mask_id is None:
            raise ConfigError(f"{opened.vocabulary} has no mask, {self.mask_token} for example")
        self._mask_id: int = mask_id
        limits = [limit for limit in (maxlen, opened.longest) if limit is not None]
        self.maxlen: int | None = min(limits) if limits else None
        outputs, size = opened.transformer.model.outputs, opened.subject.all_sizes["vocab_size"]
        scores = [output for output in outputs if len(output.shape) == 3 and output.shape[-1] == size]
        if not scores or hasattr(opened.transformer, "_decoder"):
            raise ConfigError(f"{type(opened.transformer).__name__} was built without the {LM_HEAD}")
        self.model = keras.Model(opened.transformer.model.inputs, scores[-1])
        self._predictor = Predictor(self.model)
        self._special = ids_without_text(self.tokenizer)
        self._padding_id = max(opened.subject.all_sizes["pad_token_id"], 0)
        self._reads_masks = mask_id in self.tokenizer.encode_batch([self.mask_token], maxlen=None, padding=False).ids[0]

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        **arguments: Any,
    ) -> FillMask:
        """Load a folder of transformers, an original checkpoint, or what `save` wrote.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            maxlen: int or None. Cut texts at so many tokens; None takes what the network can read.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `FillMask`.

        Raises:
            ConfigError: the checkpoint has no head of a masked language model.
            CheckpointError: the checkpoint cannot be loaded.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        return cls(open_folder(os.fspath(folder), lambda subject: {**_head(subject), **arguments}, vocab, case), maxlen)

    # ------------------------------------------------------------------------------------------------- answers

    def predict(
        self, texts: Iterable[str], top: int = 5, batch_size: int = 8, progress: bool = False
    ) -> list[list[list[Filled]]]:
        """Find the most probable tokens for each mask. Several masks of a text are filled independently of each other.

        Arguments:
            texts: iterable of str. Each has a mask, `mask_token`, or several.
            top: int. How many tokens there are for each mask.
            batch_size: int. The number of texts that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.

        Returns:
            list with a list for each text, which has a list of `Filled` for each mask, the most probable token first.
            If texts were cut, one warning says how many.

        Raises:
            ConfigError: something is no text, or a text has no mask, or not all of its masks are among its first
                `maxlen` tokens.
        """
        for name, value in (("top", top), ("batch_size", batch_size)):
            if value < 1:
                raise ConfigError(f"{name}={value}, expected 1 or more")
        listed = checked_texts(texts)
        rows = self._checked_rows(listed)
        found: list[list[list[Filled]]] = [[] for _ in rows]

        def compute(chosen: list[int]) -> Any:
            """Compute the logits of the rows with these numbers."""
            return self._predictor(self._inputs([rows[i] for i in chosen]))

        for chosen, logits in run_batches([len(row) for row in rows], batch_size, compute, progress):
            for i, scores in zip(chosen, logits):
                places = [place for place, token in enumerate(rows[i]) if token == self._mask_id]
                found[i] = self._best(listed[i], np.asarray(scores)[places], top)
        return found

    def __repr__(self) -> str:
        return one_line(self)

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[str],
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        share: float = 0.15,
        **kwargs: Any,
    ) -> Any:
        """Train on texts whose tokens are masked at random, others in each epoch.

        Of the chosen tokens 80 % become the mask, 10 % any token, and 10 % stay as they are.

        Arguments:
            texts: iterable of str.
            batch_size: int. The number of texts in a batch.
            epochs: int. How often all texts are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the masks and of the order of the texts.
            share: float. The share of the tokens that are chosen; at least one of each text is.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                texts, whose masks are the same in each epoch.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: something is no text, or `share` is no share.

        Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805
        """
        if not 0 < share < 1:
            raise ConfigError(f"share={share}, expected a number between 0 and 1")
        batches = self._batches(texts, batch_size, seed, share, True)
        if kwargs.get("validation_data") is not None:
            fixed = self._batches(kwargs["validation_data"], batch_size, seed, share, False)
            kwargs = dict(kwargs, validation_data=fixed)
        optimizer = keras.optimizers.Adam(learning_rate) if optimizer is None else optimizer
        return fit_rows(self.model, batches, epochs, optimizer, kwargs)

    # ------------------------------------------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a folder that `from_folder` loads, and transformers too if it has the network.

        Arguments:
            folder: path. It appears whole or not at all.
            overwrite: bool. Whether a folder that is there, and that `save` wrote, is replaced.

        Raises:
            ConfigError: something is there that may not be replaced.
            OSError: the folder cannot be written.
        """
        write_folder(os.fspath(folder), overwrite, lambda path: write_network(self.opened, path))

    def write_beside(self, folder: str) -> None:
        """Write the config and the tokenizer.

        Arguments:
            folder: str.
        """
        write_config(self.opened, folder)

    # ------------------------------------------------------------------------------------------------ helpers

    def _rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of texts, with the masks in them and with special tokens around them."""
        if self._reads_masks:
            return self.tokenizer.encode_batch(texts, maxlen=None, padding=False).ids
        before, after = map(list, self.tokenizer._ids_around())
        parts = [text.split(self.mask_token) for text in texts]
        pieces = iter(self.tokenizer.encode_batch([p for ps in parts for p in ps], maxlen=None, padding=False).ids)
        rows = []
        for several in parts:
            row = list(before)
            for k, _ in enumerate(several):
                ids = next(pieces)
                row += [self._mask_id] * bool(k) + ids[len(before) : len(ids) - len(after)]
            rows.append(row + after)
        return rows

    def _checked_rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of texts that have masks, cut to `maxlen`, and warn if some were cut."""
        rows, cut = self._rows(texts), 0
        for i, row in enumerate(rows):
            wanted = texts[i].count(self.mask_token)
            rows[i] = self._shortened(row)
            cut += len(rows[i]) < len(row)
            if wanted == 0 or rows[i].count(self._mask_id) != wanted:
                if wanted:
                    raise ConfigError(f"texts[{i}]: not all of its masks are among its first {self.maxlen} tokens")
                raise ConfigError(f"texts[{i}] has no mask, {self.mask_token}: {texts[i]!r:.60}")
        if cut:
            warn_caller(f"{cut} of {len(texts)} texts have more than {self.maxlen} tokens and were cut")
        return rows

    def _shortened(self, row: list[int]) -> list[int]:
        """Return a row of at most `maxlen` ids, with the special tokens after the text."""
        if self.maxlen is None or len(row) <= self.maxlen:
            return row
        after = list(self.tokenizer._ids_around()[1])
        return row[: max(self.maxlen - len(after), 0)] + after

    def _inputs(self, rows: Sequence[Sequence[int]]) -> Any:
        """Make the inputs of the model from rows of ids."""
        ids = padded(rows, self._padding_id, longest=padded_length(max(map(len, rows)), self.opened.longest))
        return [ids, np.zeros_like(ids)] if len(self.model.inputs) > 1 else ids

    def _best(self, text: str, logits: np.ndarray, top: int) -> list[list[Filled]]:
        """Return the best tokens for each mask of a text, from the logits at the masks, [masks, vocabulary]."""
        parts = text.split(self.mask_token)
        found = []
        for k, row in enumerate(softmax(logits)):
            left, right = self.mask_token.join(parts[: k + 1]), self.mask_token.join(parts[k + 1 :])
            best = np.argsort(-row, kind="stable")[:top]
            found.append([self._filled(left, int(i), float(row[i]), right) for i in best])
        return found

    def _filled(self, left: str, i: int, score: float, right: str) -> Filled:
        """Put a token between two parts of a text."""
        raw = self.tokenizer.id_to_token(i) if i < self.tokenizer._vocab_size else ""
        is_word_piece = isinstance(self.tokenizer, Tokenizer)
        token = raw if is_word_piece or i in self._special else self.tokenizer.decode([i])
        if is_word_piece and raw.startswith("##"):
            return Filled(token, i, score, left.rstrip(" ") + raw[2:] + right)
        inner = " " + token.lstrip(" ") if raw.startswith("▁") else token  # decoding alone has lost the blank
        inner = inner.lstrip(" ") if left.endswith(" ") or not left else inner
        return Filled(token, i, score, left + inner + right)

    def _batches(self, texts: Iterable[str], batch_size: int, seed: int, share: float, anew: bool) -> RowBatches:
        """Make batches whose masks are drawn anew in each epoch, or once."""
        listed = checked_texts(texts)
        if not listed:
            raise ConfigError("texts: there is no text to train on")
        rows = [self._shortened(row) for row in self._rows(listed)]
        ends = tuple(len(part) for part in self.tokenizer._ids_around())

        def columns(random: np.random.RandomState) -> list[Any]:
            """Mask tokens at random."""
            masked = [self._masked(row, ends, share, random) for row in rows]
            ids, labels = [row for row, _ in masked], [row for _, row in masked]
            longest = self.opened.longest
            segments = [([[0] * len(row) for row in rows], 0, longest)] if len(self.model.inputs) > 1 else []
            return [(ids, self._padding_id, longest), *segments, (labels, IGNORED, longest)]

        fixed = columns(np.random.RandomState(seed))
        return RowBatches(fixed, batch_size, seed, columns if anew else None)

    def _masked(
        self, row: list[int], ends: tuple[int, ...], share: float, random: np.random.RandomState
    ) -> tuple[list[int], list[int]]:
        """Mask tokens of a row at random, and return it with its labels."""
        places = np.arange(ends[0], len(row) - ends[1])
        count = min(len(places), max(1, int(round(share * len(places)))))
        ids, labels = list(row), [IGNORED] * len(row)
        for place in random.permutation(places)[:count]:
            labels[place], drawn = row[place], random.rand()
            if drawn < REPLACED:
                ids[place] = self._mask_id
            elif drawn < REPLACED + RANDOM:
                ids[place] = int(random.randint(self.tokenizer._vocab_size))
        return ids, labels


def _head(subject: Subject) -> Mapping[str, Any]:
    """Return the argument of `build_transformer_model` that adds the head, which gives logits."""
    if LM_HEAD not in subject.parts_present():
        raise ConfigError(
            f"{subject.path}: {subject.what} without the head of a masked language model; it has "
            f"{', '.join(subject.parts_present())}"
        )
    return {"with_mlm": "linear"}
