"""Texts in, spans out: a label for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from b4k3.backend import keras
from b4k3.layers import ConditionalRandomField
from b4k3.models import ConfigError
from b4k3.models.checkpoints import CheckpointError
from b4k3.models.errors import short, warn_caller

from .aggregation import Tagged, checked_aggregation, continues_word, make_spans, tag_words
from .batches import checked_validation
from .head_training import padded_targets
from .heads import checked_labels
from .label_chains import NEVER, best_labels, label_probabilities
from .opening import checked_texts
from .probabilities import softmax
from .spans import Span, checked_spans, without_overlaps
from .tagging_schemes import OUTSIDE, allowed_moves, checked_scheme, find_scheme, make_tags, tag_tokens
from .task import Rows, Task
from .token_losses import IGNORED, MaskRemoval, token_accuracy, token_crossentropy
from .windows import checked_windows, make_windows

if TYPE_CHECKING:
    import os
    from typing import TypeVar

    from numpy.typing import NDArray

    from .heads import TaskHead
    from .opening import Opened

    Self = TypeVar("Self", bound="TokenTagger")

TRANSITIONS = "crf.transitions"  # the name of the moves between tags in a file


class TokenTagger(Task):
    """A model from texts to the spans in them, with a tag such as B-LOC for each token.

    `from_folder` makes it, from a folder of transformers whose class ends with ForTokenClassification, or with a new
    head from any checkpoint whose network has one. With `crf=True` a conditional random field chooses the tags of a
    text together.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. The description of the head, with its tags and arrays.
        maxlen: int or None. The number of tokens in a window; None takes what the folder says.

    Attributes (besides the attributes of `Task`):
        labels: list of str. The tags.
        scheme: str. What the marks of the tags mean.
        crf: `ConditionalRandomField` of b4k3-layers, or None.

    Example:
        >>> from b4k3.tasks import TokenTagger
        >>> TokenTagger.from_folder("no such folder", labels=["PER", "LOC"])
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Lafferty et al., Conditional Random Fields, ICML 2001; the pipeline "token-classification" of
        https://github.com/huggingface/transformers
    """

    task = "TokenClassification"

    def __init__(self, opened: Opened, head: TaskHead, maxlen: int | None = None) -> None:
        super().__init__(opened, head, maxlen)
        self.scheme = find_scheme(self.labels)
        self.crf: Any = None

    @classmethod
    def from_folder(
        cls: type[Self],
        folder: str | os.PathLike[str],
        labels: Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        new_head: bool = False,
        crf: bool | None = None,
        scheme: str | None = None,
        crf_lr_multiplier: float = 100,
        **arguments: Any,
    ) -> Self:
        """Load a folder of transformers, or of an original checkpoint, with its head or with a new one.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            labels: list of str, or None. The labels of spans, ["PER", "LOC"] for example, or all tags. A folder without
                a head for this task gets a new one for them, which must be trained. None takes the head of the folder.
            maxlen: int or None. The number of tokens in a window of a text; None takes what the folder says.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            new_head: bool. Whether a new head is made although the folder has one.
            crf: bool or None. Whether a conditional random field chooses the tags; None means if the folder has one.
            scheme: str or None. "BIO", "BIOES" or "BMES"; None finds it in the tags, and means "BIO" for new ones.
            crf_lr_multiplier: float. The moves between tags learn this many times faster than the network.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `TokenTagger`.

        Raises:
            ConfigError: the network has no such head, the folder has none and no labels are given, or something in it
                is not implemented.
            CheckpointError: the checkpoint cannot be loaded, or a variable of the head is missing.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        tags = None if labels is None else _tags_of(labels, scheme)
        tagger = cls._open(folder, tags, maxlen, vocab, case, new_head, None, arguments)
        tagger.scheme = tagger.scheme if scheme is None else checked_scheme(scheme)
        learned = (
            None if tagger.head.arrays is None or crf is False else _read_transitions(tagger.opened, len(tagger.labels))
        )
        if crf or (crf is None and learned is not None):
            tagger._add_crf(crf_lr_multiplier, learned)
        return tagger

    def build_model(self) -> Any:
        """Build the model from the inputs of the network to the scores of the tags.

        Returns:
            keras.Model. Its output is [batch, n, tags].
        """
        self._scores = super().build_model()
        return keras.Model(self._scores.inputs, MaskRemoval(name="Head-Scores")(self._scores.output))

    def _add_crf(self, lr_multiplier: float, transitions: NDArray[np.float32] | None) -> None:
        """Put a conditional random field upon the scores of the tags. It gives padding the score -inf."""
        if self.transformer.pad_token_id < 0:
            raise ConfigError("crf=True needs a network that knows padding, and this one has no pad_token_id")
        self.crf = ConditionalRandomField(lr_multiplier, name="Head-CRF")
        self.model = keras.Model(self._scores.inputs, self.crf(self._scores.output))
        if transitions is not None:
            self.crf.set_weights([transitions / lr_multiplier])

    # ------------------------------------------------------------------------------------------------- answers

    def predict(
        self,
        texts: Iterable[str],
        batch_size: int = 32,
        progress: bool = False,
        aggregation: str = "simple",
        ignore: Sequence[str] = (OUTSIDE,),
        windows: str = "merge",
        stride: int | None = None,
    ) -> list[list[Span]]:
        """Find the spans of texts.

        Arguments:
            texts: iterable of str.
            batch_size: int. The number of windows that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            aggregation: str. How the tokens of a word get one tag: "simple" leaves each token its own; "first" takes
                the tag of the first token, "max" of the surest, and "average" the best of the mean. With a conditional
                random field only "simple".
            ignore: list of str. The labels that make no span.
            windows: str. What becomes of texts with more than `maxlen` tokens: "merge" reads them in windows and merges
                the spans; "cut" cuts them, and warns.
            stride: int or None. How many tokens a window repeats from the one before; None means a quarter of maxlen.

        Returns:
            list of lists of `Span`, one list for each text. The score of a span is the mean of the probabilities of its
            tags; with a conditional random field these are its marginal probabilities.

        Raises:
            ConfigError: something is no text, or an argument has a value that it cannot have.
        """
        listed = checked_texts(texts)
        cut = checked_windows(windows, stride, ("merge", "cut"))
        if checked_aggregation(aggregation) != "simple" and self.crf is not None:
            raise ConfigError(f"aggregation={aggregation!r}: a conditional random field has only 'simple'")
        found = make_windows(self.tokenizer, listed, None, self.maxlen, stride, cut)
        rows = Rows.of(found.rows)
        spans: list[list[Span]] = [[] for _ in listed]
        for chosen, scores in self.run(rows, batch_size, progress, "windows"):
            numbers, probabilities = self._decode([found.rows[i] for i in chosen], scores)
            for k, i in enumerate(chosen):
                text = listed[found.owners[i]]
                tagged = self._tagged(
                    found.rows[i], probabilities[k], None if numbers is None else numbers[k], text, aggregation
                )
                spans[found.owners[i]] += make_spans(tagged, self.labels, self.scheme, text, ignore)
        several = np.bincount(found.owners, minlength=len(listed)) > 1 if listed else []
        return [without_overlaps(row) if merge else row for row, merge in zip(spans, several)]

    def _decode(self, rows: Sequence[Any], scores: NDArray[np.float32]) -> tuple[Any, NDArray[np.float32]]:
        """Return the tags that a conditional random field chooses, [batch, n] or None, and all probabilities."""
        if self.crf is None:
            return None, softmax(scores)
        scores = np.where(np.isfinite(scores), scores, 0).astype("float64")
        allowed = allowed_moves([OUTSIDE, *self.labels], self.scheme)
        moves = np.where(allowed[1:, 1:], self._transitions(), NEVER)
        ends = np.where(allowed[1:, 0], 0, NEVER)
        outside = [label != OUTSIDE for label in self.labels]
        for row, values in zip(rows, scores):
            special = np.flatnonzero(row.special_tokens_mask)
            if not all(outside):  # special tokens are outside of all spans, as `fit` teaches it
                values[special] = np.where(outside, NEVER, 0)
        scores[:, 0] += np.where(allowed[0, 1:], 0, NEVER)
        lengths = [len(row) for row in rows]
        return best_labels(scores, moves, lengths, ends), label_probabilities(scores, moves, lengths, ends)

    def _tagged(self, row: Any, probabilities: Any, numbers: Any, text: str, aggregation: str) -> Tagged:
        """Return the tags of the tokens of a window, or of its words."""
        kept = [i for i, special in enumerate(row.special_tokens_mask) if not special]
        offsets = [row.offsets[i] for i in kept]
        if numbers is not None:
            tags = [int(numbers[i]) for i in kept]
            return Tagged(tags, [probabilities[i, tag] for i, tag in zip(kept, tags)], offsets)
        continues = [False] * len(kept)
        if aggregation != "simple":
            continues = continues_word(self.tokenizer, text, [row.ids[i] for i in kept], offsets)
        return tag_words(probabilities[kept], offsets, continues, aggregation)

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[str],
        spans: Iterable[Any],
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on texts with spans.

        Arguments:
            texts: iterable of str. A text with more than `maxlen` tokens becomes several windows.
            spans: iterable of lists. The spans of each text, (start, end, label) each, or `Span`.
            batch_size: int. The number of windows in a batch.
            epochs: int. How often all windows are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the windows, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (texts, spans), like the arguments here.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: texts and spans do not fit each other, spans overlap, or the model has no tag for a span.
        """
        data = self._examples(texts, spans)
        validation = kwargs.pop("validation_data", None)
        validation = None if validation is None else self._examples(*checked_validation(validation))
        loss = token_crossentropy if self.crf is None else self.crf.sparse_loss
        metrics = [token_accuracy if self.crf is None else self.crf.sparse_accuracy]
        return self.train(*data, loss, batch_size, epochs, learning_rate, optimizer, seed, metrics, validation, kwargs)

    def _examples(self, texts: Any, spans: Any) -> tuple[Rows, Any]:
        """Return the rows of texts with spans, and the function that makes their targets."""
        listed = checked_texts(texts)
        given = checked_spans(spans, listed)
        found = make_windows(self.tokenizer, listed, None, self.maxlen)
        numbers = {tag: i for i, tag in enumerate(self.labels)}
        ignored = IGNORED if self.crf is None else numbers.get(OUTSIDE, 0)
        targets, inexact = [], 0
        for i, (owner, row) in enumerate(zip(found.owners, found.rows)):
            special = row.special_tokens_mask
            tags, count = tag_tokens(given[owner], found.places(i), self.scheme)
            inexact += count
            unknown = sorted(set(tags) - set(numbers))
            if unknown:
                raise ConfigError(f"spans: the model has no tag {unknown[0]!r}; its tags are {short(self.labels)}")
            targets.append([ignored if skipped else numbers[tag] for tag, skipped in zip(tags, special)])
        if all(all(row.special_tokens_mask) for row in found.rows):
            raise ConfigError("texts: none of them has a token, so there is nothing to train on")
        if inexact:
            warn_caller(f"{inexact} spans begin or end within a token; they were widened to whole tokens")

        return Rows.of(found.rows), padded_targets(targets, ignored)

    # ------------------------------------------------------------------------------------------------- files

    def variables(self) -> dict[str, np.ndarray]:
        """Return what `save` writes as the checkpoint.

        Returns:
            dict from a name of transformers to a float array. The moves of a conditional random field are
            "crf.transitions", [tags, tags], which transformers leaves unread.
        """
        found = super().variables()
        if self.crf is not None:
            found[TRANSITIONS] = np.asarray(self._transitions(), dtype="float32")
        return found

    def _transitions(self) -> NDArray[np.float32]:
        """Return the scores of the moves between tags, in their true scale."""
        return np.asarray(self.crf.get_weights()[0]) * self.crf.lr_multiplier


def _tags_of(labels: Sequence[str], scheme: str | None) -> list[str]:
    """Return the tags for the labels of spans; tags stay as they are."""
    listed = checked_labels(labels)
    if OUTSIDE in listed or any(label[:2] in ("B-", "I-") for label in listed):
        return listed
    return make_tags(listed, scheme or "BIO")


def _read_transitions(opened: Opened, tags: int) -> NDArray[np.float32] | None:
    """Read the moves of a conditional random field; None if the folder has none."""
    checkpoint, path = opened.subject.checkpoint_read, opened.subject.path
    if "crf.start_transitions" in checkpoint:
        raise ConfigError(f"{path}: crf.start_transitions, of pytorch-crf, is not implemented; say crf=False")
    if TRANSITIONS not in checkpoint:
        return None
    found = np.asarray(checkpoint[TRANSITIONS], dtype="float32")
    if found.shape != (tags, tags):
        raise CheckpointError(f"{path}: {TRANSITIONS} is {list(found.shape)}, expected [{tags}, {tags}]")
    return found
