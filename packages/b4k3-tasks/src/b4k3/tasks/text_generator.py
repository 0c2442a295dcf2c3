"""Texts in, texts out: continuations and answers."""

from __future__ import annotations

import os
from typing import Any, Iterable, Iterator, Mapping, Sequence

from b4k3.backend import keras
from b4k3.models import ConfigError
from b4k3.models.cli.subject import Subject
from b4k3.models.errors import warn_caller

from .batches import checked_validation, run_batches
from .generator_files import (
    end_ids_of,
    read_generation_config,
    save_generator,
    write_genai_config,
    write_generation_config,
)
from .one_line import one_line
from .opening import Opened, checked_texts, open_folder
from .prompts import Answer, Continuation, SecondSegment
from .saving import write_config
from .task_export import TaskExport
from .text_streams import TextStream, ids_without_text
from .token_losses import IGNORED
from .token_training import RowBatches, fit_rows

SEEDS = 1 << 32  # how far the seeds of two batches are from each other
APPLICATIONS = ("lm", "unilm")


class TextGenerator(TaskExport):
    """A model that continues or answers texts.

    `from_folder` makes it, of a language model (GPT, GPT-2, Llama, Qwen, Mistral and so on), of an encoder-decoder (T5,
    mT5, umT5, BART), or of a BERT, RoFormer or NEZHA with `application="unilm"` or "lm". Its numbers are the ones of
    `Transformer.generate`.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        application: str or None. "lm" or "unilm", as the network was built; None for a network that generates anyway.
        end_ids: list of int. The ids that end an answer.
        maxlen: int or None. The number of tokens at which texts are cut.

    Attributes:
        model: keras.Model. Ids to logits, float [batch, n, vocabulary]. An encoder-decoder has the ids of the encoder
            and of the decoder as its inputs, another network has ids and, if it knows segments, segment ids.
        transformer: `Transformer`. The network, with its method `generate`.
        tokenizer: the tokenizer of b4k3-tokenizers.
        end_ids: list of int. The ids that end an answer. Without any, each answer has `max_new_tokens` tokens.
        maxlen: int or None. The number of tokens at which texts are cut.

    Raises:
        ConfigError: the network does not predict the next token.

    Example:
        >>> from b4k3.tasks import TextGenerator
        >>> TextGenerator.from_folder("no such folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...
    """

    def __init__(
        self,
        opened: Opened,
        application: str | None = None,
        end_ids: Sequence[int] | None = None,
        maxlen: int | None = None,
    ) -> None:
        self.opened, self.transformer, self.tokenizer = opened, opened.transformer, opened.tokenizer
        self.application, self.model = application, opened.transformer.model
        self.end_ids = list(end_ids_of(opened, application) if end_ids is None else end_ids)
        limits = [limit for limit in (maxlen, opened.longest) if limit is not None]
        self.maxlen: int | None = min(limits) if limits else None
        form: type[Continuation] = SecondSegment if application == "unilm" else Continuation
        form = Answer if hasattr(opened.transformer, "_decoder") else form
        self._form = form(opened, self.end_ids[0] if self.end_ids else None)
        self._hidden = ids_without_text(self.tokenizer) | set(self.end_ids)

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        application: str | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        end: str | Sequence[str] | None = None,
        **arguments: Any,
    ) -> TextGenerator:
        """Load a folder of transformers, an original checkpoint, or what `save` wrote.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            application: str or None. For an encoder such as BERT: "unilm" answers a text, "lm" continues it. None is
                for networks that generate anyway, and for what `save` wrote.
            maxlen: int or None. Cut texts at so many tokens; None takes what the network can read.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            end: str, list of str, or None. The tokens that end an answer. None takes what generation_config.json,
                config.json or tokenizer_config.json say, and otherwise the token that the tokenizer puts after a text.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `TextGenerator`.

        Raises:
            ConfigError: the network does not predict the next token, or `end` is no token.
            CheckpointError: the checkpoint cannot be loaded.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        folder = os.fspath(folder)
        chosen: list[str | None] = []

        def heads(subject: Subject) -> Mapping[str, Any]:
            """Return the arguments of `build_transformer_model` for this network."""
            said = read_generation_config(subject.folder).get("b4k3_application")
            chosen.append(said if application is None else application)
            return {**_heads(subject, chosen[0]), **arguments}

        opened = open_folder(folder, heads, vocab, case)
        ends = None if end is None else _ids_of([end] if isinstance(end, str) else end, opened.tokenizer)
        return cls(opened, chosen[0], ends, maxlen)

    # ------------------------------------------------------------------------------------------------- answers

    def predict(
        self,
        texts: Iterable[str],
        max_new_tokens: int = 64,
        batch_size: int = 8,
        stop: str | Sequence[str] | None = None,
        num_beams: int = 1,
        length_penalty: float | None = None,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        min_new_tokens: int = 0,
        seed: int | None = None,
        progress: bool = False,
    ) -> list[str]:
        """Continue or answer texts. All arguments but the first ones are arguments of `Transformer.generate`.

        Arguments:
            texts: iterable of str. Their lengths may differ.
            max_new_tokens: int. How many tokens are generated at most.
            batch_size: int. The number of texts that are answered together. Texts of similar lengths are.
            stop: str, list of str, or None. An answer ends before the first of these texts.
            num_beams: int. How many candidates beam search keeps; 1 means greedy decoding or sampling.
            length_penalty: float or None. For beam search; see `Transformer.generate`.
            do_sample: bool. Whether tokens are drawn at random.
            temperature: float. For sampling; the scores are divided by it.
            top_k: int or None. For sampling; only the k best tokens are drawn.
            top_p: float or None. For sampling; only the fewest tokens with this joint probability are drawn.
            repetition_penalty: float. Above 1 it makes the tokens of prompt and output less probable.
            min_new_tokens: int. An answer does not end before it has this many tokens.
            seed: int or None. For sampling; the same seed, texts and batch_size give the same answers.
            progress: bool. Whether a progress bar is shown, on a terminal only.

        Returns:
            list of str. What follows on each text, or answers it, without the text itself and without special tokens.
            If texts were cut, one warning says how many.

        Raises:
            ConfigError: something is no text, or an argument is wrong.
        """
        given = dict(locals())  # these are the arguments, as this is the first line
        for name in ("self", "texts", "batch_size", "stop", "progress", "seed", "max_new_tokens"):
            given.pop(name)
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}, expected 1 or more")
        listed, stops = checked_texts(texts), _checked_stop(stop)
        if not listed:
            return []
        rows = self._prompts(listed, max_new_tokens)
        answers = [""] * len(rows)
        done = 0

        def compute(chosen: list[int]) -> Any:
            """Answer the rows with these numbers."""
            seeds = None if seed is None else seed + done * SEEDS
            return self._generate([rows[i] for i in chosen], max_new_tokens, dict(given, seed=seeds))

        for chosen, tokens in run_batches([len(row) for row in rows], batch_size, compute, progress):
            for i, row in zip(chosen, tokens):
                answers[i] = self._stream(rows[i], stops).text(_until(row, self.end_ids))
            done += len(chosen)
        return answers

    def stream(
        self,
        text: str,
        max_new_tokens: int = 64,
        stop: str | Sequence[str] | None = None,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        min_new_tokens: int = 0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Continue or answer a text piece by piece.

        Arguments:
            text: str.
            max_new_tokens: int. How many tokens are generated at most.
            stop: str, list of str, or None. The answer ends before the first of these texts.
            do_sample: bool. Whether tokens are drawn at random.
            temperature: float. For sampling; the scores are divided by it.
            top_k: int or None. For sampling; only the k best tokens are drawn.
            top_p: float or None. For sampling; only the fewest tokens with this joint probability are drawn.
            repetition_penalty: float. Above 1 it makes the tokens of prompt and output less probable.
            min_new_tokens: int. The answer does not end before it has this many tokens.
            seed: int or None. For sampling; the same seed gives the same answer.

        Returns:
            iterator of str. The pieces are not empty, end at whole characters, and join to what `predict` gives for
            this text alone.

        Raises:
            ConfigError: `text` is no text, or an argument is wrong.
        """
        given = dict(locals())  # these are the arguments, as this is the first line
        for name in ("self", "text", "stop", "max_new_tokens"):
            given.pop(name)
        stops = _checked_stop(stop)
        row = self._prompts(checked_texts([text], "text"), max_new_tokens)[0]
        tokens = self._generate([row], max_new_tokens, dict(given, stream=True))
        return self._stream(row, stops).pieces(_until((step[0] for step in tokens), self.end_ids))

    def __repr__(self) -> str:
        return one_line(self, [f"application={self.application!r}" if self.application else ""])

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[str],
        targets: Iterable[str] | None = None,
        batch_size: int = 8,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on texts and their answers: each token of an answer is predicted from the tokens before it.

        Arguments:
            texts: iterable of str.
            targets: iterable of str, or None. What follows on each text, or answers it; only its tokens, and the end
                after them, count in the loss. None trains a language model on all tokens of the texts.
            batch_size: int. The number of texts in a batch.
            epochs: int. How often all texts are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the texts, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (texts, targets).

        Returns:
            The History of Keras.

        Raises:
            ConfigError: something is no text, or texts and targets do not fit each other.
        """
        batches = RowBatches(self._columns(texts, targets), batch_size, seed)
        if kwargs.get("validation_data") is not None:
            columns = self._columns(*checked_validation(kwargs["validation_data"], optional=True))
            kwargs = dict(kwargs, validation_data=RowBatches(columns, batch_size, seed))
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
        save_generator(self, os.fspath(folder), overwrite)

    def exported_model(self) -> tuple[Any, list[str] | None]:
        """Return what `export` writes: the network with its caches.

        Returns:
            (`Transformer`, None).
        """
        return self.transformer, None

    def write_beside(self, folder: str) -> None:
        """Write the config, the tokenizer, and how the network generates; for onnxruntime-genai too, if it can run it.

        Arguments:
            folder: str.
        """
        write_config(self.opened, folder)
        write_generation_config(self, folder)
        write_genai_config(self, folder)

    # ------------------------------------------------------------------------------------------------ helpers

    def _prompts(self, texts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        """Return the ids of the prompts of texts, and warn if some were cut."""
        limit = self.maxlen
        if self._form.shares_limit and self.opened.longest is not None and max_new_tokens >= 1:
            room = self.opened.longest + 1 - max_new_tokens
            if room <= len(self._form.before):
                raise ConfigError(
                    f"max_new_tokens={max_new_tokens} leaves no place for a text: the network has "
                    f"{self.opened.longest} positions"
                )
            limit = room if limit is None else min(limit, room)
        prompts = self._form.prompts(texts, limit)
        if prompts.cut:
            warn_caller(f"{prompts.cut} of {len(texts)} texts have more than {limit} tokens and were cut")
        return prompts.rows

    def _generate(self, rows: list[list[int]], max_new_tokens: int, options: dict[str, Any]) -> Any:
        """Call `Transformer.generate`."""
        return self.transformer.generate(
            rows, max_new_tokens, start_id=self._form.start_id, end_id=self.end_ids or None, **options
        )

    def _stream(self, prompt: list[int], stop: Sequence[str]) -> TextStream:
        """Return what turns tokens into the text after a prompt."""
        return TextStream(self.tokenizer, prompt if self._form.goes_on else (), self._hidden, stop)

    def _columns(self, texts: Iterable[str], targets: Iterable[str] | None = None) -> list[Any]:
        """Make the columns of a training, and warn if some texts were cut."""
        listed, answers = checked_texts(texts), None if targets is None else checked_texts(targets, "targets")
        if not listed or (answers is not None and len(answers) != len(listed)):
            count = "no" if answers is None else len(answers)
            raise ConfigError(f"there are {len(listed)} texts and {count} targets; expected as many, at least 1")
        rows, cut = self._form.columns(listed, answers, self.maxlen)
        if cut:
            warn_caller(f"{cut} of {len(listed)} texts or targets have more than {self.maxlen} tokens and were cut")
        padding = max(self.opened.subject.all_sizes["pad_token_id"], 0)
        of_second = 0 if self._form.shares_limit else padding  # segment ids, or the ids of the decoder
        values = [padding, *[of_second] * (len(rows) - 2), IGNORED]
        return [(column, value, self.opened.longest) for column, value in zip(rows, values)]


def _heads(subject: Subject, application: str | None) -> dict[str, Any]:
    """Return the arguments of `build_transformer_model` that make a network predict the next token, as logits."""
    network, names = subject.network, [part.argument for part in subject.network.parts]
    if application not in (None, *APPLICATIONS):
        raise ConfigError(f"application={application!r}, expected one of {', '.join(APPLICATIONS)}, or None")
    if application is not None and not network.generates:
        if "MLM head" not in subject.parts_present():
            raise ConfigError(f"{subject.path} has no MLM head, by which application={application!r} predicts tokens")
        return {"application": application, "with_mlm": "linear"}
    if not network.generates:
        raise ConfigError(
            f"{subject.path} is {subject.what}, which does not predict the next token; if it was trained to, say "
            "application='unilm', which answers a text, or application='lm', which continues it"
        )
    if application is not None:
        raise ConfigError(f"application={application!r} is for encoders, and {subject.what} generates without it")
    return {"with_lm": "linear"} if "with_lm" in names else {"final_activation": "linear"}


def _ids_of(tokens: Sequence[str], tokenizer: Any) -> list[int]:
    """Return the ids of tokens that end an answer."""
    found = [tokenizer._id_of_token(token) for token in tokens]
    if None in found:
        raise ConfigError(f"end: the vocabulary has no token {tokens[found.index(None)]!r}")
    return found


def _checked_stop(stop: str | Sequence[str] | None) -> list[str]:
    """Return the texts that end an answer as a list."""
    stops = [] if stop is None else checked_texts([stop] if isinstance(stop, str) else stop, "stop")
    if "" in stops:
        raise ConfigError("stop: an empty text would end every answer")
    return stops


def _until(tokens: Iterable[Any], ends: Sequence[int]) -> Iterator[int]:
    """Yield ids up to the first one that ends an answer."""
    for token in tokens:
        if int(token) in ends:
            return
        yield int(token)
