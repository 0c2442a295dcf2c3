"""Configurations in the keys of Google's code and of Hugging Face's, as the description of a network says."""

from __future__ import annotations

from typing import Any, Iterable

from ..errors import ConfigError
from ..keys import SPELLINGS, THEIR_ACTIVATIONS, spellings
from .subject import Subject

NOT_WRITTEN = ("logit_scale", "mlm_act", "embedding_mapping", "ignore_invalid_weights", "ignore_unread_weights")


def published(config: dict[str, Any]) -> dict[str, Any]:
    """A config under the names that BERT's publishers give its keys, which b4k3 reads too."""
    config = dict(config)
    for ours, others in SPELLINGS.items():
        value = config.pop(ours, None)
        if value is not None:
            config.setdefault(others[0], value)
    return config


def google_config(subject: Subject) -> dict[str, Any]:
    """The config of a checkpoint with the keys of Google's code, and `model_type`, by which b4k3 recognises it."""
    of = subject.network
    known = set(spellings(of))
    config = {key: value for key, value in subject.known.items() if key in known and value is not None}
    if config.get("tie_word_embeddings") == of.settings.get("tie_word_embeddings", True):
        del config["tie_word_embeddings"]
    return dict(published(config), model_type=subject_type(subject, of.name))


def subject_type(subject: Subject, default: str) -> str:
    """The model_type that the file says, if the network's name does not tell as much."""
    said = subject.file_config.get("model_type")
    theirs = subject.network.huggingface
    return said if theirs is not None and said in list(theirs.types)[1:] else default


def huggingface_config(subject: Subject, parts: Iterable[str]) -> dict[str, Any]:
    """The config.json of transformers for a checkpoint.

    Arguments:
        subject: `Subject` of a network that transformers has.
        parts: names of the parts that are written.

    Returns:
        dict.

    Raises:
        ConfigError: transformers cannot compute something that the network does.
    """
    theirs = subject.network.huggingface
    if theirs is None:
        raise ConfigError(f"transformers has no model for {subject.model!r}")
    ours = {key: value for key, value in subject.known.items() if value is not None and key not in NOT_WRITTEN}
    of = subject.network
    foreign = {key for key in ours if key not in spellings(of)}
    absent = set(own_keys()).difference(theirs.own)
    if theirs.keys is None:
        config = published({k: v for k, v in ours.items() if k not in absent | foreign})
    else:
        config = {name: ours[key] for key, name in theirs.keys.items() if ours.get(key) is not None}
    written_activation(config, theirs.keys or {})
    model_type = subject_type(subject, next(iter(theirs.types)))
    if theirs.complete is not None:
        theirs.complete(config, dict(ours, logit_scale=subject.known.get("logit_scale")))
    parts = set(parts)
    end = next(end for end, needed in theirs.classes if set(needed) <= parts)
    config.update(model_type=model_type, architectures=[theirs.types[model_type] + end])
    config.setdefault("pad_token_id", subject.all_sizes["pad_token_id"])
    if "layer_norm_eps" in theirs.defaults:
        epsilon = (theirs.keys or {}).get("layer_norm_eps", "layer_norm_eps")
        config.setdefault(epsilon, theirs.defaults["layer_norm_eps"])
    return config


def written_activation(config: dict[str, Any], names: dict[str, str]) -> None:
    """Spell the activation of a config as transformers does."""
    name = names.get("hidden_act", "hidden_act")
    if isinstance(config.get(name), str):
        config[name] = THEIR_ACTIVATIONS.get(config[name], config[name])


def own_keys() -> Iterable[str]:
    """The keys that only some networks have, of all of them."""
    from ..registry import networks

    return [key for of in networks() if of.huggingface is not None for key in of.huggingface.own]
