"""Read the keys of a config that describe rotary positions, in the form of transformers 5 or in the older one.

These two mean the same:

    "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    "rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 2.0}
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from ..errors import ConfigError, short

ROPE_KEYS = ("rope_parameters", "rope_scaling", "rope_theta")
# rope_type -> (the keys that it needs, the keys that it may have); rope_theta belongs to all of them.
KEYS_OF_TYPE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "default": ((), ()),
    "linear": (("factor",), ()),
    "dynamic": (("factor", "max_position_embeddings"), ()),
    "llama3": (("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"), ()),
    "yarn": (
        ("factor", "original_max_position_embeddings"),
        ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"),
    ),
}


def rope_parameters(config: dict[str, Any], theta: float) -> tuple[dict[str, Any], str]:
    """Read the rotary positions of a config.

    Arguments:
        config: dict. The config file.
        theta: float. The base of the frequencies for a config that has none.

    Returns:
        dict with rope_type, rope_theta and the keys that the type has, and the name of the key that it comes from.

    Raises:
        ConfigError: b4k3 does not have the rope_type, or a key is missing, unknown or no number.

    Example:
        >>> from b4k3.models.networks.rotary import rope_parameters
        >>> rope_parameters({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0}}, 10000.0)[0]
        {'rope_type': 'linear', 'rope_theta': 500.0, 'factor': 2.0}
    """
    name = next((key for key in ("rope_scaling", "rope_parameters") if config.get(key)), "rope_theta")
    given = config[name] if name != "rope_theta" else {}
    if not isinstance(given, dict):
        raise ConfigError(f"{name}={short(given)}, expected an object with rope_type")
    kind = given.get("rope_type", given.get("type", "default"))
    if not isinstance(kind, str) or kind not in KEYS_OF_TYPE:
        raise ConfigError(f"{name} has rope_type={short(kind)}, which b4k3 does not have: {', '.join(KEYS_OF_TYPE)}")
    base = given.get("rope_theta", config.get("rope_theta"))
    found = {"rope_type": kind, "rope_theta": theta if base is None else base}
    needed, optional = KEYS_OF_TYPE[kind]
    length = config.get("max_position_embeddings", config.get("max_position"))
    lengths = {"max_position_embeddings": length, "original_max_position_embeddings": length}
    for key in needed + optional:
        value = given.get(key)
        if value is None:
            value = config.get("original_max_position_embeddings") if key.startswith("original") else None
        value = lengths.get(key) if value is None else value
        if value is not None:
            found[key] = value
        elif key in needed:
            raise ConfigError(f"{name} has rope_type={kind!r} and lacks {key}")
    _check(name, found, given)
    return found, name


def _check(name: str, found: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse keys that would be left out, and values that are no numbers above 0."""
    # `finetuned` says only that the model was trained with the scaling.
    known = set(found) | {"type", "finetuned", "partial_rotary_factor"}
    unread = sorted(key for key in given if key not in known and given[key] is not None)
    unread = [key for key in unread if key != "original_max_position_embeddings" or found["rope_type"] == "default"]
    if given.get("partial_rotary_factor") not in (None, 1, 1.0):
        unread.append("partial_rotary_factor")
    if unread:
        raise ConfigError(
            f"{name} has rope_type={found['rope_type']!r}, for which b4k3 does not know {', '.join(unread)}"
        )
    for key, value in found.items():
        if key == "rope_type" or (key == "truncate" and isinstance(value, bool)):
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < float("inf"):
            raise ConfigError(f"{name} has {key}={short(value)}, expected a number above 0")
    if found.get("low_freq_factor", 0) >= found.get("high_freq_factor", 1):
        raise ConfigError(f"{name} has a low_freq_factor that is not below high_freq_factor")
