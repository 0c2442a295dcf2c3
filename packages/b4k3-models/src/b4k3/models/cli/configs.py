"""Write the configuration of a checkpoint with the keys of Google's code, or of Hugging Face transformers.

The description of the network says which keys there are: `HuggingFace` in `b4k3.models.networks.description`.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..errors import ConfigError
from ..keys import SPELLINGS, THEIR_ACTIVATIONS, spellings
from .subject import Subject

# The keys that are not written as they are: transformers does not have them, or `HuggingFace.complete` translates them.
NOT_WRITTEN = ("logit_scale", "mlm_act", "embedding_mapping", "ignore_invalid_weights", "ignore_unread_weights")


def published(config: dict[str, Any]) -> dict[str, Any]:
    """Rename the keys of a config as BERT's publishers name them; b4k3 reads these names too.

    Arguments:
        config: dict under our names.

    Returns:
        dict. Keys that the publishers do not have keep their names.
    """
    config = dict(config)
    for ours, others in SPELLINGS.items():
        value = config.pop(ours, None)
        if value is not None:
            config.setdefault(others[0], value)
    return config


def google_config(subject: Subject) -> dict[str, Any]:
    """Make the config of a checkpoint with the keys of Google's code, and `model_type`, by which b4k3 recognises it.

    Arguments:
        subject: `Subject`. The checkpoint.

    Returns:
        dict.
    """
    of = subject.network
    known = set(spellings(of))
    config = {key: value for key, value in subject.known.items() if key in known and value is not None}
    if config.get("tie_word_embeddings") == of.settings.get("tie_word_embeddings", True):
        del config["tie_word_embeddings"]
    return dict(published(config), model_type=_model_type(subject, of.name))


def _model_type(subject: Subject, default: str) -> str:
    """Return the model_type of the config file if it says more than the name of the network, else the default."""
    said = subject.file_config.get("model_type")
    theirs = subject.network.huggingface
    return said if theirs is not None and said in list(theirs.types)[1:] else default


def huggingface_config(subject: Subject, parts: Iterable[str]) -> dict[str, Any]:
    """Make the config.json of transformers for a checkpoint.

    Arguments:
        subject: `Subject`. The checkpoint.
        parts: the names of the parts that are written, by which the class in transformers is chosen.

    Returns:
        dict.

    Raises:
        ConfigError: transformers does not have the network, or cannot compute something that the network does.
    """
    theirs = subject.network.huggingface
    if theirs is None:
        raise ConfigError(f"transformers has no model for {subject.model!r}")
    ours = {key: value for key, value in subject.known.items() if value is not None and key not in NOT_WRITTEN}
    if theirs.keys is None:
        others = set(_own_keys()).difference(theirs.own)
        known = spellings(subject.network)
        config = published({key: value for key, value in ours.items() if key in known and key not in others})
    else:
        config = {name: ours[key] for key, name in theirs.keys.items() if ours.get(key) is not None}
    _spell_activation(config, (theirs.keys or {}).get("hidden_act", "hidden_act"))
    model_type = _model_type(subject, next(iter(theirs.types)))
    if theirs.complete is not None:
        theirs.complete(config, dict(ours, **{key: subject.known.get(key) for key in ("logit_scale", "mlm_act")}))
    parts = set(parts)
    end = next(end for end, needed in theirs.classes if set(needed) <= parts)
    config.update(model_type=model_type, architectures=[theirs.types[model_type] + end])
    config.setdefault("pad_token_id", subject.all_sizes["pad_token_id"])
    if "layer_norm_eps" in theirs.defaults:
        epsilon = (theirs.keys or {}).get("layer_norm_eps", "layer_norm_eps")
        config.setdefault(epsilon, theirs.defaults["layer_norm_eps"])
    return config


def _spell_activation(config: dict[str, Any], key: str) -> None:
    """Spell the activation under this key of a config as transformers does."""
    if isinstance(config.get(key), str):
        config[key] = THEIR_ACTIVATIONS.get(config[key], config[key])


def _own_keys() -> list[str]:
    """Collect the keys that only some networks have in transformers."""
    from ..registry import networks

    return [key for of in networks() if of.huggingface is not None for key in of.huggingface.own]
