"""Questions and texts in, answers out: spans of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

from b4k3.backend import keras
from b4k3.models import ConfigError
from b4k3.models.errors import short, warn_caller

from .answer_choice import NO_ANSWER, choose_answers
from .batches import checked_validation
from .head_training import padded_targets
from .spans import Span, checked_spans
from .tagging_schemes import tokens_of
from .task import Rows, Task
from .token_losses import BOTH, EXCLUDED, FIRST, INCLUDED, LAST, MaskRemoval, pointer_crossentropy
from .windows import Windows, checked_windows, make_windows

if TYPE_CHECKING:
    from .heads import TaskHead
    from .opening import Opened

LONGEST_WINDOW, LONGEST_STRIDE = 384, 128  # of the pipeline of transformers


class QuestionAnswering(Task):
    """A model that finds the answer to a question in a text.

    `from_folder` makes it, from a folder of transformers whose class ends with ForQuestionAnswering, from a checkpoint
    of Google's run_squad.py, or with `new_head=True` from any checkpoint whose network has such a head. A text that is
    too long is read in windows.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. The description of the head, with its arrays.
        maxlen: int or None. The number of tokens of question and text in a window; None takes what the folder says, and
            at most 384.

    Example:
        >>> from b4k3.tasks import QuestionAnswering
        >>> QuestionAnswering.from_folder("no such folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805; the pipeline "question-answering" of
        transformers 4, https://github.com/huggingface/transformers
    """

    task = "QuestionAnswering"

    def __init__(self, opened: Opened, head: TaskHead, maxlen: int | None = None) -> None:
        super().__init__(opened, head, maxlen)
        if maxlen is None:
            self.maxlen = min(self.maxlen or LONGEST_WINDOW, LONGEST_WINDOW)
        self._cls_id = getattr(self.tokenizer, "_token_start_id", None)

    def build_model(self) -> Any:
        """Build the model from the inputs of the network to the scores of the first and the last token.

        Returns:
            keras.Model. Its output is [batch, n, 2].
        """
        model = super().build_model()
        return keras.Model(model.inputs, MaskRemoval(name="Head-Scores")(model.output))

    # ------------------------------------------------------------------------------------------------- answers

    def answer(self, question: str, context: str, **arguments: Any) -> Any:
        """Find the answer to a question in a text.

        Arguments:
            question: str.
            context: str. The text.
            arguments: the arguments of `predict`.

        Returns:
            `Span`, or a list of them with `top`.

        Raises:
            ConfigError: something is no text, or the question is too long.
        """
        return self.predict([(question, context)], **arguments)[0]

    def predict(
        self,
        pairs: Iterable[Any],
        batch_size: int = 32,
        progress: bool = False,
        top: int | None = None,
        max_answer_len: int = 15,
        no_answer: bool = False,
        whole_words: bool = True,
        windows: str = "merge",
        stride: int | None = None,
    ) -> list[Any]:
        """Find the answers to questions.

        Arguments:
            pairs: iterable of (question, text).
            batch_size: int. The number of windows that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            top: int or None. How many answers to each question are given; None gives the best one, and no list.
            max_answer_len: int. The largest number of tokens in an answer.
            no_answer: bool. Whether "there is no answer" is one of the answers: a `Span` with an empty text.
            whole_words: bool. Whether answers are widened to whole words; for Chinese it makes no difference.
            windows: str. What becomes of texts with too many tokens: "merge" reads them in windows, and "cut" cuts
                them and warns.
            stride: int or None. How many tokens a window repeats from the one before; None means half of maxlen, and at
                most 128.

        Returns:
            list of `Span`, or of lists of them with `top`; one for each question. Its score is the product of the
            probabilities of its first and its last token, summed over equal answers.

        Raises:
            ConfigError: something is no pair of texts, a question leaves no room for the text, or an argument has a
                value that it cannot have.
        """
        listed = checked_pairs(pairs)
        cut = checked_windows(windows, stride, ("merge", "cut"))
        for name, number in (("top", 1 if top is None else top), ("max_answer_len", max_answer_len)):
            if number < 1:
                raise ConfigError(f"{name}={number}, expected 1 or more")
        found = self._windows(listed, stride, cut)
        rows = Rows.of(found.rows)
        logits: list[Any] = [None] * len(found.rows)
        for chosen, scores in self.run(rows, batch_size, progress, "windows"):
            for i, score in zip(chosen, scores):
                logits[i] = score[: len(rows.ids[i])].T  # [2, n]
        texts: list[list[Any]] = [[] for _ in listed]
        for owner, row, (starts, ends) in zip(found.owners, found.rows, logits):
            texts[owner].append((row, starts, ends))
        answers = [
            choose_answers(own, context, self._cls_id, top or 1, max_answer_len, no_answer, whole_words)
            for own, (_, context) in zip(texts, listed)
        ]
        return answers if top is not None else [found[0] if found else NO_ANSWER for found in answers]

    def _windows(self, pairs: Sequence[tuple[str, str]], stride: int | None, cut: bool = False) -> Windows:
        """Make the windows of the texts, each with its question."""
        assert self.maxlen is not None
        stride = min(self.maxlen // 2, LONGEST_STRIDE) if stride is None else stride
        questions, contexts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return make_windows(self.tokenizer, questions, contexts, self.maxlen, stride, cut, "only_second")

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        pairs: Iterable[Any],
        answers: Iterable[Any],
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on questions with answers.

        Arguments:
            pairs: iterable of (question, text). A long text becomes several windows.
            answers: iterable of (start, end), or None. The characters of the answer in the text; None if there is no
                answer, which a window learns too that does not have the whole answer.
            batch_size: int. The number of windows in a batch.
            epochs: int. How often all windows are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the windows, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (pairs, answers), like the arguments here.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: pairs and answers do not fit each other.
        """
        data = self._examples(pairs, answers)
        validation = kwargs.pop("validation_data", None)
        validation = None if validation is None else self._examples(*checked_validation(validation))
        return self.train(
            *data, pointer_crossentropy, batch_size, epochs, learning_rate, optimizer, seed, [], validation, kwargs
        )

    def _examples(self, pairs: Any, answers: Any) -> tuple[Rows, Any]:
        """Return the rows of questions with answers, and the function that makes their targets."""
        listed = checked_pairs(pairs)
        contexts = [context for _, context in listed]
        rows = [[] if answer is None else [(*answer[:2], "answer")] for answer in answers]
        given = checked_spans(rows, contexts, "answers")
        found = self._windows(listed, None)
        targets, learned = [], set()
        for i, owner in enumerate(found.owners):
            kinds, is_there = self._kinds(found, i, given[owner], len(contexts[owner]))
            targets.append(kinds)
            if is_there:
                learned.add(owner)
        lost = sum(bool(row) for row in given) - len(learned)
        if lost:
            warn_caller(f"{lost} answers have no tokens, or are in no window whole; they are learned as no answer")

        return Rows.of(found.rows), padded_targets(targets, EXCLUDED)

    def _kinds(self, found: Windows, i: int, spans: Sequence[Span], length: int) -> tuple[list[int], bool]:
        """Return what each token of a window is to the two pointers, and whether the answer is in the window."""
        row = found.rows[i]
        kinds = [
            INCLUDED if sequence == 1 or token == self._cls_id else EXCLUDED
            for sequence, token in zip(row.sequence_ids, row.ids)
        ]
        start, end = found.part_of_text(i, length, 1)
        whole = [span for span in spans if start <= span.start and span.end <= end]
        tokens = tokens_of(whole[0], found.places(i, 1)) if whole else []
        first, last = (tokens[0], tokens[-1]) if tokens else (0, 0)
        kinds[first], kinds[last] = (FIRST, LAST) if first != last else (BOTH, BOTH)
        return kinds, bool(tokens)


def checked_pairs(pairs: Any) -> list[tuple[str, str]]:
    """Make a list of (question, text).

    Arguments:
        pairs: iterable of (str, str).

    Returns:
        list of (str, str).

    Raises:
        ConfigError: one of them is no pair of texts. The message says which one.

    Example:
        >>> from b4k3.tasks.question_answering import checked_pairs
        >>> checked_pairs([["谁", "王芳在上海"]])
        [('谁', '王芳在上海')]
    """
    if isinstance(pairs, (str, bytes)) or not hasattr(pairs, "__iter__"):
        raise ConfigError(f"pairs: expected a list of (question, text), got {type(pairs).__name__}")
    listed = list(pairs)
    for i, pair in enumerate(listed):
        if isinstance(pair, str) or not (
            isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(side, str) for side in pair)
        ):
            raise ConfigError(f"pairs[{i}]: expected (question, text), got {short(pair)}")
    return [tuple(pair) for pair in listed]
