"""Open a folder as a network and a tokenizer that belong together."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple

from b4k3.models import ConfigError, build_transformer_model
from b4k3.models.checkpoints._files import is_regular
from b4k3.models.cli.subject import Subject
from b4k3.models.cli.text_input import compare_vocabulary, need_vocabulary, open_tokenizer
from b4k3.tokenizers import SpTokenizer

from ._environment import require_current_keras
from .sentence_modules import read_json

if TYPE_CHECKING:
    from b4k3.models import Transformer
    from b4k3.tokenizers import TokenizerBase

BEGIN_WITH_BOS = ("llama", "mistral")  # networks whose texts begin with <s> unless tokenizer_config.json says otherwise
NO_LIMIT = 10**6  # a model_max_length of at least so much means no limit


class Opened(NamedTuple):
    """A network with what belongs to it.

    Attributes:
        transformer: `Transformer`. The network, built and loaded.
        tokenizer: a tokenizer of b4k3-tokenizers.
        subject: `Subject`. The checkpoint and its config.
        vocabulary: str. The path of the vocabulary.
        longest: int or None. The largest number of tokens in a row; None if the network has no limit.

    Example:
        >>> from b4k3.tasks.opening import Opened
        >>> Opened._fields
        ('transformer', 'tokenizer', 'subject', 'vocabulary', 'longest')
    """

    transformer: Transformer
    tokenizer: TokenizerBase
    subject: Subject
    vocabulary: str
    longest: int | None


def open_folder(
    folder: str,
    arguments: Mapping[str, Any] | Callable[[Subject], Mapping[str, Any]],
    vocab: str | None = None,
    case: str = "auto",
) -> Opened:
    """Open a folder with a checkpoint, its config and its vocabulary.

    Arguments:
        folder: str. What `b4k3 inspect` takes: a folder, or the path of a checkpoint with its files beside it.
        arguments: dict, or function from a `Subject` to a dict. The heads, and other arguments of
            `build_transformer_model`.
        vocab: str or None. The vocabulary; None takes a tokenizer.json or else the vocabulary in the folder.
        case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
            tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.

    Returns:
        `Opened`.

    Raises:
        ConfigError: a file cannot be read, or the vocabulary belongs to another checkpoint.
        CheckpointError: the checkpoint cannot be loaded.
        FileNotFoundError: there is no checkpoint or no vocabulary.
        BackendError: the Keras in use is older than tf.keras 2.15.
    """
    require_current_keras()
    subject = Subject(os.fspath(folder)).require()
    own = os.path.join(subject.folder, "tokenizer.json")
    path = need_vocabulary(subject, vocab or (own if is_regular(own) else None))
    said = os.path.join(subject.folder, "tokenizer_config.json")
    config = read_json(said, dict) if is_regular(said) else {}
    tokenizer = _open_tokenizer(path, _case(config) if case == "auto" else case, subject, config)
    compare_vocabulary(tokenizer, path, subject)
    arguments = arguments(subject) if callable(arguments) else arguments
    transformer = build_transformer_model(**dict(subject.arguments, **arguments), return_keras_model=False)
    limits = [limit for limit in (subject.longest, _length(config)) if limit is not None]
    return Opened(transformer, tokenizer, subject, path, min(limits) if limits else None)


def _open_tokenizer(path: str, case: str, subject: Subject, config: Mapping[str, Any]) -> TokenizerBase:
    """Open the tokenizer. A SentencePiece model does not say which pieces stand around a text, but its network does."""
    if not path.endswith(".model"):
        return open_tokenizer(path, case)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "token_(start|end)=", UserWarning)  # the pieces are looked for here
        tokenizer = open_tokenizer(path, case)
    if not isinstance(tokenizer, SpTokenizer) or tokenizer._id_of_token(str(tokenizer._token_start)) is not None:
        return tokenizer
    begins = config.get("add_bos_token", subject.network.name in BEGIN_WITH_BOS)
    ends = "num_decoder_layers" in subject.network.keys or config.get("add_eos_token", False)
    start, end = ("<s>" if begins else None), ("</s>" if ends else None)  # Llama and T5
    return SpTokenizer(tokenizer.sp_model, start, end)


def _case(config: Mapping[str, Any]) -> str:
    """Return whether a tokenizer_config.json says that text is lower-cased; "auto" if it does not."""
    said = config.get("do_lower_case")
    return ("lower" if said else "keep") if isinstance(said, bool) else "auto"


def _length(config: Mapping[str, Any]) -> int | None:
    """Return the number of tokens at which a tokenizer_config.json cuts texts; it writes 1e30 where it has no limit."""
    said = config.get("model_max_length")
    whole = isinstance(said, int) and not isinstance(said, bool) and 0 < said < NO_LIMIT
    return said if whole else None


def checked_texts(texts: Any, what: str = "texts") -> list[str]:
    """Make a list of texts.

    Arguments:
        texts: iterable of str.
        what: str. The name of the argument, for the message.

    Returns:
        list of str.

    Raises:
        ConfigError: it is one text, or not all of its elements are texts. The message says which one.
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise ConfigError(f"{what}: expected a list of texts, got {type(texts).__name__}")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise ConfigError(f"{what}[{i}] is {type(text).__name__}, expected str")
    return listed
