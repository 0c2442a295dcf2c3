"""Texts in tables to answers, for engines that spread tables over processes and machines: Ray Data, Spark.

Each class is a callable for `Dataset.map_batches` of Ray Data. Give it the class, with `compute=ActorPoolStrategy(…)`:
each actor then loads the model once. Its method `frames` is a function for `DataFrame.mapInPandas` of Spark.
The engines are not imported here.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Iterable, Iterator, Sequence

import numpy as np

from .commands.answering import answer_window
from .commands.lines import line_of, number_of


class _BatchTask:
    """What the classes of this module share: the way from a batch of rows to the rows with their answers.

    A batch is a dict of arrays or a frame of pandas. The text of a row is in the column "text", for a pair also in
    "text_pair". The other columns are kept. A row whose text is missing or cannot be answered keeps its place: its
    "error" says why, and its answer is NaN or None.

    Arguments:
        folder: path. The model, as the `from_folder` of its class takes it; all processes must see it.
        vocab: str or None. The vocabulary, if it is not in the folder.
        batch_size: int. The number of texts that go through the network together. Give the engine batches that are
            many times as large, as texts are sorted by length within a batch of the engine.
    """

    pairs = False
    size = 0  # of an answer that is a vector

    def __init__(self, folder: str | os.PathLike[str], vocab: str | None, batch_size: int) -> None:
        self.folder, self.vocab, self.batch_size = os.fspath(folder), vocab, batch_size
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out, which each process opens for itself; another one may have another current folder."""
        paths = {name: getattr(self, name) and os.path.abspath(getattr(self, name)) for name in ("folder", "vocab")}
        return dict(self.__dict__, _model=None, **paths)

    def open(self) -> None:
        """Open the model, unless it is open. The first batch does it otherwise.

        Raises:
            ConfigError: an argument does not fit the model.
            CheckpointError: the checkpoint cannot be read.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        if self._model is None:
            self._model = self._opened()

    @property
    def columns(self) -> dict[str, Any]:
        """The keys of an answer and the types of their values; [str] stands for a list of str."""
        raise NotImplementedError

    def _opened(self) -> Any:
        """Open the model."""
        raise NotImplementedError

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Answer texts.

        Arguments:
            texts: list of str, or of (str, str) where pairs are possible.
            first: int. The number of texts before them, which random numbers depend on.

        Returns:
            sequence with an answer for each text: a dict; or float32 array, [texts, d], of vectors.

        Raises:
            ConfigError: an argument does not fit the model, or a text cannot be answered.
        """
        raise NotImplementedError

    def __call__(self, batch: Any) -> Any:
        """Answer a batch.

        Arguments:
            batch: dict from the name of a column to an array, as Ray Data's batch_format="numpy" gives; or
                pandas.DataFrame. It has the column "text".

        Returns:
            dict or pandas.DataFrame, as the batch is. It has more columns: the answer and "error".

        Raises:
            ConfigError: an argument does not fit the model.
        """
        self.open()
        keys = [key for key in ("text", "text_pair") if key in batch]
        rows = [dict(zip(keys, values)) for values in zip(*(list(batch[key]) for key in keys))]
        lines = [line_of(i, row, self.pairs) for i, row in enumerate(rows, 1)]
        lines, answers = answer_window(lines, self, self._place([line.text for line in lines]))
        found = [None if line.error else answers[line.number] for line in lines]
        columns = dict(self._columns(found, isinstance(batch, dict)), error=_objects([x.error or None for x in lines]))
        return dict(batch, **columns) if isinstance(batch, dict) else batch.assign(**columns)

    def frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Answer frame by frame: a function for `DataFrame.mapInPandas` of Spark, which loads the model once a task.

        Arguments:
            frames: iterable of pandas.DataFrame with the column "text".

        Yields:
            pandas.DataFrame, each with the columns of the answer and "error".
        """
        for frame in frames:
            yield self(frame)

    def _place(self, texts: list[Any]) -> int:
        """Return what stands for the number of rows before a batch, which an engine does not tell: 0, or a checksum."""
        return 0

    def _columns(self, found: list[Any], as_arrays: bool) -> dict[str, Any]:
        """Make the columns of the answers; a row that is wrong has None."""
        columns: dict[str, Any] = {}
        for key, kind in self.columns.items():
            values = [None if answer is None else answer[key] for answer in found]
            columns[key] = np.array(values, dtype="float64") if kind is float else _objects(values)
        return columns


def _objects(values: list[Any]) -> Any:
    """Make an array of objects, which stay what they are."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


class EncodeBatch(_BatchTask):
    """Add the vector of each text, as `TextEncoder.encode` computes it, as the column "vector".

    In a dict of arrays the vectors are one float32 array, [rows, d]; in a frame each is a float32 array, [d].

    Arguments:
        folder: path. A folder of sentence-transformers, or any checkpoint with a pooling that is named.
        pooling: str or None. How a text gets one vector, if the folder does not say it: "mean", "cls", "max" and so on.
        normalize: bool. Whether each vector is divided by its length.
        prompt: str or None. A text that is put before each text.
        prompt_name: str or None. The name of a prompt of the folder.
        maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
        vocab: str or None. The vocabulary, if it is not in the folder.
        case: str. "lower", "keep" or "auto", as for `TextEncoder.from_folder`.
        batch_size: int. The number of texts that go through the network together.

    Example:
        >>> from b4k3.tasks.batch import EncodeBatch
        >>> encode = EncodeBatch("no such folder", pooling="mean")
        >>> encode({"text": np.array(["a cat", "a dog"])})
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: https://docs.ray.io/en/latest/data/batch_inference.html
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        pooling: str | None = None,
        normalize: bool = False,
        prompt: str | None = None,
        prompt_name: str | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        batch_size: int = 32,
    ) -> None:
        super().__init__(folder, vocab, batch_size)
        self.pooling, self.normalize, self.prompt, self.prompt_name = pooling, normalize, prompt, prompt_name
        self.maxlen, self.case = maxlen, case

    columns = {"vector": [np.float32]}

    @property
    def size(self) -> int:
        """The number d of numbers in a vector. It opens the model."""
        self.open()
        return self._model.size

    def _opened(self) -> Any:
        from .text_encoder import TextEncoder

        return TextEncoder.from_folder(self.folder, self.pooling, self.maxlen, self.vocab, self.case)

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Compute the vectors of texts.

        Arguments:
            texts: list of str.
            first: int. Not used.

        Returns:
            float32 array, [texts, d].

        Raises:
            ConfigError: an argument does not fit the model, or a text cannot be encoded.
        """
        self.open()
        return self._model.encode(texts, self.batch_size, self.normalize, self.prompt, self.prompt_name)

    def _columns(self, found: list[Any], as_arrays: bool) -> dict[str, Any]:
        if not as_arrays:
            return {"vector": _objects(found)}
        vectors = np.full((len(found), self.size), np.nan, dtype="float32")
        for row, vector in zip(vectors, found):
            row[:] = np.nan if vector is None else vector
        return {"vector": vectors}


class ClassifyBatch(_BatchTask):
    """Add the label of each text, or of each pair of texts, and its score, as `TextClassifier` finds them.

    The columns are "label" and "score"; for any number of labels "labels" and "scores"; for a regression "value".

    Arguments:
        folder: path. The folder of a classifier.
        threshold: float. The score of a label that a text has, for any number of labels.
        all_scores: bool. Whether "all_scores" has the scores of all labels.
        maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
        vocab: str or None. The vocabulary, if it is not in the folder.
        case: str. "lower", "keep" or "auto", as for `TextClassifier.from_folder`.
        batch_size: int. The number of texts that go through the network together.

    Example:
        >>> from b4k3.tasks.batch import ClassifyBatch
        >>> ClassifyBatch("no such folder").open()
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...
    """

    pairs = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        threshold: float = 0.5,
        all_scores: bool = False,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        batch_size: int = 32,
    ) -> None:
        super().__init__(folder, vocab, batch_size)
        self.threshold, self.all_scores, self.maxlen, self.case = threshold, all_scores, maxlen, case

    @property
    def columns(self) -> dict[str, Any]:
        """The keys of an answer and the types of their values. It opens the model."""
        self.open()
        labels, problem = self._model.labels, self._model.problem
        if problem == "regression":
            return {"value": float if len(labels) == 1 else [float]}
        columns: dict[str, Any] = {"label": str, "score": float}
        if problem.startswith("multi"):
            columns = {"labels": [str], "scores": [float]}
        return dict(columns, all_scores={label: float for label in labels}) if self.all_scores else columns

    def _opened(self) -> Any:
        from .text_classifier import TextClassifier

        return TextClassifier.from_folder(self.folder, maxlen=self.maxlen, vocab=self.vocab, case=self.case)

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Find the labels of texts.

        Arguments:
            texts: list of str, or of (str, str).
            first: int. Not used.

        Returns:
            list of dict.

        Raises:
            ConfigError: an argument does not fit the model.
        """
        self.open()
        return [self._answer(row) for row in self._model.scores(texts, self.batch_size).tolist()]

    def _answer(self, row: list[float]) -> dict[str, Any]:
        """Return the answer to a text with these scores."""
        labels, problem = self._model.labels, self._model.problem
        scores = [number_of(score) for score in row]
        if problem == "regression":
            return {"value": scores[0] if len(scores) == 1 else scores}
        if problem.startswith("multi"):
            chosen = [i for i, score in enumerate(row) if score >= self.threshold]
            answer: dict[str, Any] = {"labels": [labels[i] for i in chosen], "scores": [scores[i] for i in chosen]}
        else:
            best = row.index(max(row))
            answer = {"label": labels[best], "score": scores[best]}
        return dict(answer, all_scores=dict(zip(labels, scores))) if self.all_scores else answer


class TagBatch(_BatchTask):
    """Add the spans that a tagger finds in each text, as `TokenTagger.predict` does, as the column "spans".

    A span is {"start": 3, "end": 6, "label": "LOC", "score": 0.99, "text": …}; start and end count characters.

    Arguments:
        folder: path. The folder of a tagger.
        maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
        vocab: str or None. The vocabulary, if it is not in the folder.
        case: str. "lower", "keep" or "auto", as for `TokenTagger.from_folder`.
        batch_size: int. The number of texts that go through the network together.

    Example:
        >>> from b4k3.tasks.batch import TagBatch
        >>> TagBatch("no such folder").open()
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        batch_size: int = 32,
    ) -> None:
        super().__init__(folder, vocab, batch_size)
        self.maxlen, self.case = maxlen, case

    columns = {"spans": [{"start": int, "end": int, "label": str, "score": float, "text": str}]}

    def _opened(self) -> Any:
        from .token_tagger import TokenTagger

        return TokenTagger.from_folder(self.folder, maxlen=self.maxlen, vocab=self.vocab, case=self.case)

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Find the spans in texts.

        Arguments:
            texts: list of str.
            first: int. Not used.

        Returns:
            list of dict.

        Raises:
            ConfigError: an argument does not fit the model.
        """
        self.open()
        return [{"spans": [_plain(x) for x in spans]} for spans in self._model.predict(texts, self.batch_size)]


def _plain(span: Any) -> dict[str, Any]:
    """Return a span as JSON has it."""
    place = {"start": int(span.start), "end": int(span.end)}
    return dict(place, label=span.label, score=number_of(span.score), text=span.text)


class GenerateBatch(_BatchTask):
    """Add what follows on each text or answers it, as `TextGenerator.predict` does, as "answer".

    Arguments:
        folder: path. The folder of a model that generates.
        application: str or None. "lm" or "unilm", as for `TextGenerator.from_folder`.
        end: list of str, or None. The tokens that end an answer.
        maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
        vocab: str or None. The vocabulary, if it is not in the folder.
        case: str. "lower", "keep" or "auto", as for `TextGenerator.from_folder`.
        batch_size: int. The number of texts that go through the network together.
        options: what `TextGenerator.predict` takes, max_new_tokens=64, do_sample=True or num_beams=4 for example.

    Example:
        >>> from b4k3.tasks.batch import GenerateBatch
        >>> GenerateBatch("no such folder", max_new_tokens=10).open()
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        application: str | None = None,
        end: Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        batch_size: int = 8,
        **options: Any,
    ) -> None:
        super().__init__(folder, vocab, batch_size)
        self.application, self.end, self.maxlen, self.case = application, end, maxlen, case
        self.options = options

    columns = {"answer": str}

    def _opened(self) -> Any:
        from .text_generator import TextGenerator

        return TextGenerator.from_folder(self.folder, self.application, self.maxlen, self.vocab, self.case, self.end)

    def answers(self, texts: list[Any], first: int) -> Sequence[Any]:
        """Continue or answer texts.

        Arguments:
            texts: list of str.
            first: int. The number of texts before them. Batches draw other random numbers by it.

        Returns:
            list of dict.

        Raises:
            ConfigError: an option does not fit the model, or a text cannot be answered.
        """
        from .text_generator import SEEDS

        self.open()
        options = dict(self.options, seed=self.options.get("seed", 0) + first * SEEDS)
        return [{"answer": text} for text in self._model.predict(texts, batch_size=self.batch_size, **options)]

    def _place(self, texts: list[Any]) -> int:
        return zlib.crc32(repr(texts).encode("utf-8", "backslashreplace")) >> 12
