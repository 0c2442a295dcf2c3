"""Texts in, vectors out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Sequence, Union

import numpy as np

from b4k3.backend import activations, keras, largest_batch
from b4k3.layers import SequencePooling
from b4k3.layers.pooling import POOLING_MODES
from b4k3.models import ConfigError, Predictor
from b4k3.models.batching import padded_length
from b4k3.models.cli.features import normalized
from b4k3.models.errors import warn_caller

from .batches import padded, run_batches
from .encoder_files import save_encoder, write_without_weights
from .one_line import one_line
from .opening import Opened, checked_texts, open_folder
from .pair_training import LOSSES, fit_pairs
from .sentence_modules import SIMILARITIES, DenseStep, NormStep, SentenceModules, UnitStep, read_modules
from .similarities import similarity_matrix
from .task_export import TaskExport
from .windows import checked_windows, make_windows, mean_of_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Texts = Union[str, Iterable[str]]
    Vectors = NDArray[np.float32]

POOLINGS = POOLING_MODES + ("pooler",)


class TextEncoder(TaskExport):
    """A model from texts to vectors, whose cosines say how alike the texts are.

    `from_folder` makes it. A folder of sentence-transformers says itself how vectors are pooled, what follows on the
    pooling, where texts are cut, and which prompts there are. For any other checkpoint `pooling` must be named.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        modules: `SentenceModules`. What follows on the network.

    Attributes:
        model: keras.Model. Ids and segment ids, [batch, n] each, to vectors, [batch, d]. If a prompt is left out of the
            pooling, the number of its tokens, [batch, 1], is the last input.
        transformer: `Transformer`. The network below.
        tokenizer: the tokenizer of b4k3-tokenizers.
        maxlen: int or None. The number of tokens at which texts are cut.
        prompts: dict from a name to the text that is put before each text.
        size: int. The number d of numbers in a vector.

    Raises:
        ConfigError: the network has no sequence of vectors as its output.

    Example:
        >>> from b4k3.tasks import TextEncoder
        >>> TextEncoder.from_folder("no such folder", pooling="mean")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Reimers and Gurevych, Sentence-BERT, https://arxiv.org/abs/1908.10084,
        https://github.com/huggingface/sentence-transformers
    """

    def __init__(self, opened: Opened, modules: SentenceModules) -> None:
        self.transformer, self.tokenizer = opened.transformer, opened.tokenizer
        self.modules, self.opened = modules, opened
        self.prompts: dict[str, str] = dict(modules.prompts)
        limits = [limit for limit in (modules.maxlen, opened.longest) if limit is not None]
        self.maxlen: int | None = min(limits) if limits else None
        self.model = _sentence_model(opened.transformer, modules)
        self.size = int(self.model.outputs[0].shape[-1])
        self._predictor = Predictor(self.model)
        self._padding_id = max(opened.subject.all_sizes["pad_token_id"], 0)

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        pooling: str | Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        **arguments: Any,
    ) -> TextEncoder:
        """Load a folder of sentence-transformers, of transformers, or of an original checkpoint.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            pooling: str or sequence of str. One or more of "cls", "max", "mean", "mean_sqrt_len_tokens",
                "weightedmean" and "lasttoken", whose vectors are joined; or "pooler", the pooler of BERT. None takes
                what `modules.json` says.
            maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `TextEncoder`.

        Raises:
            ConfigError: the folder says nothing of a pooling and none is named; or something in it is not implemented.
            CheckpointError: the checkpoint cannot be loaded.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        folder = os.fspath(folder)
        modules = read_modules(folder) if os.path.isdir(folder) else None
        if pooling is not None:
            named = SentenceModules(folder, _checked_pooling(pooling))
            modules = named if modules is None else named._replace(body=modules.body, maxlen=modules.maxlen)
        if modules is None:
            raise ConfigError(f"{folder} has no modules.json, so name a pooling, one of {', '.join(POOLINGS)}")
        if maxlen is not None:
            modules = modules._replace(maxlen=maxlen)
        heads = {"with_pool": True} if modules.modes == ("pooler",) else {}
        return cls(open_folder(modules.body, dict(heads, **arguments), vocab, case), modules)

    # ------------------------------------------------------------------------------------------------- vectors

    def encode(
        self,
        texts: Texts,
        batch_size: int = 32,
        normalize: bool = False,
        prompt: str | None = None,
        prompt_name: str | None = None,
        progress: bool = False,
        windows: str = "cut",
        stride: int | None = None,
    ) -> Vectors:
        """Compute the vectors of texts.

        Arguments:
            texts: iterable of str, or one str.
            batch_size: int. The largest number of texts that go through the network together. On JAX on the CPU fewer
                long texts do, because that is faster.
            normalize: bool. Whether each vector is divided by its length, if the model does not do so anyway.
            prompt: str or None. A text that is put before each text, "query: " for example.
            prompt_name: str or None. The name of a prompt in `prompts`. None takes the default of the folder, if it has
                one and there is no `prompt`.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            windows: str. What becomes of texts with more than `maxlen` tokens: "cut"; or "mean", the mean of the
                vectors of windows, where a prompt is in the first window only.
            stride: int or None. How many tokens a window repeats from the one before; None means a quarter of maxlen.

        Returns:
            float32 array, [n, d]; for one str [d]. If texts were cut, one warning says how many.

        Raises:
            ConfigError: something is no text, or there is no prompt of this name; or a prompt that the pooling leaves
                out would be in one window only.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}, expected 1 or more")
        listed = checked_texts([texts] if isinstance(texts, str) else texts)
        prompt = self._prompt(prompt, prompt_name)
        whole = [prompt + text for text in listed] if prompt else listed
        owners = None
        if checked_windows(windows, stride, ("cut", "mean")):
            rows, segments = self._rows(whole)
        else:
            if prompt and not self.modules.include_prompt:
                raise ConfigError("windows='mean' needs windows that are alike, and the pooling leaves out a prompt")
            owners, encoded = make_windows(self.tokenizer, self._lowered(whole), None, self.maxlen, stride)
            rows, segments = [row.ids for row in encoded], [row.type_ids for row in encoded]
        skipped = self._length_of_prompt(prompt) if prompt and not self.modules.include_prompt else 0
        vectors = np.zeros((len(rows), self.size), dtype="float32")

        def compute(chosen: list[int]) -> Any:
            """Compute the vectors of the rows with these numbers."""
            return self._predictor(self._inputs([rows[i] for i in chosen], [segments[i] for i in chosen], skipped))

        lengths = [len(row) for row in rows]
        for chosen, result in run_batches(lengths, batch_size, compute, progress, most_tokens=largest_batch()):
            vectors[chosen] = np.asarray(result, dtype="float32")
        if owners is not None:
            vectors = mean_of_windows(vectors, owners, len(listed))
            normalize = normalize or any(isinstance(step, UnitStep) for step in self.modules.steps)
        vectors = normalized(vectors) if normalize else vectors
        return vectors[0] if isinstance(texts, str) else vectors

    def similarity(self, first: Any, second: Any = None, metric: str | None = None) -> Vectors:
        """Compare each of some texts with each of others.

        Arguments:
            first: iterable of str, or float array, [n, d]. Texts, or their vectors.
            second: iterable of str, or float array, [m, d], or None. None compares the first ones with each other.
            metric: str or None. "cosine", "dot", "euclidean" or "manhattan", where distances are negative; None takes
                what the folder says, which is the cosine if it says nothing.

        Returns:
            float32 array, [n, m]. The larger, the more alike.

        Raises:
            ConfigError: something is no text, or there is no such metric.
        """
        metric = metric or self.modules.similarity
        if metric not in SIMILARITIES:
            raise ConfigError(f"metric={metric!r}, expected one of {', '.join(SIMILARITIES)}")
        left = first if isinstance(first, np.ndarray) else self.encode(first)
        right = left if second is None else second if isinstance(second, np.ndarray) else self.encode(second)
        return similarity_matrix(np.atleast_2d(left), np.atleast_2d(right), metric)

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[Any],
        labels: Iterable[float] | None = None,
        loss: str | None = None,
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on pairs of texts.

        Arguments:
            texts: iterable of (str, str). Pairs; for the loss "simcse" also single texts; then each text is its own
                partner under another dropout.
            labels: iterable of numbers, or None. How alike the two texts of each pair are; any numbers with an order.
            loss: str or None. "cosent", which needs labels; "multiple_negatives", where the other second texts of a
                batch are the wrong answers; "simcse", where all other texts of a batch are. None means "cosent" with
                labels and "multiple_negatives" without.
            batch_size: int. The number of pairs in a batch.
            epochs: int. How often all pairs are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the pairs, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: texts, labels and loss do not fit each other.
        """
        if loss is None:
            loss = "cosent" if labels is not None else "multiple_negatives"
        if loss not in LOSSES:
            raise ConfigError(f"loss={loss!r}, expected one of {', '.join(LOSSES)}")
        optimizer = keras.optimizers.Adam(learning_rate) if optimizer is None else optimizer
        return fit_pairs(self, texts, labels, loss, batch_size, epochs, optimizer, seed, kwargs)

    # ------------------------------------------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a folder that `from_folder` and sentence-transformers load.

        Arguments:
            folder: path. It appears whole or not at all.
            overwrite: bool. Whether a folder that is there, and that `save` wrote, is replaced.

        Raises:
            ConfigError: something is there that may not be replaced, or the pooling is "pooler".
            OSError: the folder cannot be written.
        """
        save_encoder(self, os.fspath(folder), overwrite)

    def exported_model(self) -> tuple[Any, list[str]]:
        """Return the model with its vectors of the tokens and of the texts, as sentence-transformers names them.

        Returns:
            (keras.Model, the names of its outputs).
        """
        if self.modules.modes == ("pooler",):
            return self.model, ["sentence_embedding"]
        outputs = [self.transformer.output, self.model.output]
        return keras.Model(self.model.inputs, outputs), ["last_hidden_state", "sentence_embedding"]

    def export_metadata(self) -> dict[str, Any]:
        """Return what `export` stores in the file: the pooling, the prompts and the similarity too.

        Returns:
            dict.
        """
        found = dict(super().export_metadata(), pooling=list(self.modules.modes), similarity=self.modules.similarity)
        return dict(found, prompts=self.prompts) if self.prompts else found

    def write_beside(self, folder: str) -> None:
        """Write config, vocabulary and the modules of sentence-transformers.

        Arguments:
            folder: str.
        """
        write_without_weights(self, folder)

    # ------------------------------------------------------------------------------------------------ helpers

    def __repr__(self) -> str:
        return one_line(self, [f"{' + '.join(self.modules.modes)} pooling", f"vectors of {self.size} numbers"])

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        """Return the text that is put before each text."""
        if prompt is not None and name is not None:
            raise ConfigError("give either prompt or prompt_name")
        if prompt is not None:
            return prompt
        name = self.modules.default_prompt if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise ConfigError(f"prompt_name={name!r}, and the prompts are {sorted(self.prompts)}")
        return self.prompts[name]

    def _rows(self, texts: Sequence[str], warn: bool = True) -> tuple[list[list[int]], list[list[int]]]:
        """Tokenize texts, and return their ids and segment ids."""
        encoded = self.tokenizer.encode_batch(self._lowered(texts), maxlen=self.maxlen, stride=0, padding=False)
        if warn and self.maxlen is not None and len(encoded.overflowing):
            count = len(set(encoded.overflowing.sample_index))
            warn_caller(f"{count} of {len(texts)} texts have more than {self.maxlen} tokens and were cut")
        return encoded.ids, encoded.type_ids

    def _lowered(self, texts: Sequence[str]) -> Sequence[str]:
        """Lower-case texts if the module of the network does it: letter by letter, as normalizers do."""
        return ["".join(map(str.lower, text)) for text in texts] if self.modules.lowercase else texts

    def _length_of_prompt(self, prompt: str) -> int:
        """Return the number of tokens of a prompt, with the special tokens before it."""
        encoded = self.tokenizer.encode_batch([prompt], maxlen=None, padding=False)
        return len(encoded.ids[0]) - bool(encoded.special_tokens_mask[0][-1])

    def _inputs(self, rows: Sequence[Sequence[int]], segments: Sequence[Sequence[int]], skipped: int = 0) -> list[Any]:
        """Make the inputs of the model from rows of ids."""
        longest = padded_length(max(map(len, rows)), self.opened.longest)
        ids = padded(rows, self._padding_id, longest=longest)
        inputs: list[Any] = [ids]
        if len(self.transformer.inputs) > 1:
            inputs.append(padded(segments, 0, longest=longest))
        if not self.modules.include_prompt:
            inputs.append(np.full((len(ids), 1), skipped, dtype="int32"))
        return inputs


def _checked_pooling(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Return the modes as a tuple; raise ConfigError if one is unknown."""
    modes = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    for mode in modes or (None,):
        if mode not in POOLINGS or (mode == "pooler" and len(modes) > 1):
            raise ConfigError(f"pooling={pooling!r}, expected one or more of {', '.join(POOLING_MODES)}; or 'pooler'")
    return modes


def _sentence_model(transformer: Any, modules: SentenceModules) -> Any:
    """Build the model from ids to vectors upon the network."""
    inputs, x = list(transformer.inputs), transformer.output
    if isinstance(x, list) or len(x.shape) != (2 if modules.modes == ("pooler",) else 3):
        raise ConfigError(f"{type(transformer).__name__} has not one vector for each token as its output")
    if not modules.include_prompt:
        inputs.append(keras.layers.Input((1,), dtype="int32", name="Input-Prompt"))
        x = [x, inputs[-1]]
    if modules.modes != ("pooler",):
        x = SequencePooling(modules.modes, name="Sentence-Pooling")(x)  # [batch, d]
    weights = []
    for i, step in enumerate(modules.steps):
        layer, values = _layer(step, i)
        x = layer(x)
        weights.append((layer, values))
    model = keras.Model(inputs, x)
    for layer, values in weights:
        layer.set_weights(values)
    return model


def _layer(step: Any, i: int) -> tuple[Any, list[Any]]:
    """Return the layer of a step, and its weights."""
    if isinstance(step, UnitStep):
        return keras.layers.UnitNormalization(axis=-1, name=f"Sentence-{i}-Unit"), []
    if isinstance(step, NormStep):
        return keras.layers.LayerNormalization(epsilon=1e-5, name=f"Sentence-{i}-Norm"), [step.gamma, step.beta]
    assert isinstance(step, DenseStep)
    has_bias = step.bias is not None
    layer = keras.layers.Dense(
        step.kernel.shape[1], activations.get(step.activation), use_bias=has_bias, name=f"Sentence-{i}-Dense"
    )
    return layer, [step.kernel, step.bias] if has_bias else [step.kernel]
