"""The names that people give the inputs of a network: ours, and the ones of Hugging Face's tokenizers."""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

# The name of an input, without the prefix of its model -> other names for it, the one that messages show first.
INPUT_NAMES: Mapping[str, Sequence[str]] = {
    "Input-Token": ("token_ids", "input_ids"),
    "Input-Segment": ("segment_ids", "token_type_ids"),
    "Input-Position": ("position_ids",),
    "Input-Task": ("task_ids", "task_type_ids"),
    "Input-Permutation-Mask": ("permutation_mask",),
    "Encoder-Input-Token": ("token_ids", "input_ids"),
    "Decoder-Input-Token": ("decoder_token_ids", "decoder_input_ids"),
    "Input-Context": ("context", "encoder_hidden_states"),
}
# The ids -> the name of a mask that says which of them count: 1 for a token, 0 for padding.
MASK_NAMES: Mapping[str, str] = {
    "Input-Token": "attention_mask",
    "Encoder-Input-Token": "attention_mask",
    "Decoder-Input-Token": "decoder_attention_mask",
}


def known_input(name: str) -> str | None:
    """Find the entry of `INPUT_NAMES` for an input of a model that may have a prefix.

    Arguments:
        name: str. The name of the input of the Keras model.

    Returns:
        str, a key of `INPUT_NAMES`; None for an input of another kind.

    Example:
        >>> known_input("Student-Input-Token"), known_input("Label")
        ('Input-Token', None)
    """
    return next((known for known in sorted(INPUT_NAMES, key=len, reverse=True) if name.endswith(known)), None)


def match_inputs(names: Sequence[str], given: Iterable[str], model: str) -> tuple[list[str], dict[str, str]]:
    """Find under which key a mapping has each input of a model, and its masks.

    Arguments:
        names: list of str. The names of the model's inputs.
        given: iterable of str. The keys of the mapping.
        model: str. The name of the model, with which messages begin.

    Returns:
        (a list with the key of each input, a dict from the name of an input of ids to the key of its mask)

    Raises:
        ValueError: a key is unknown, an input is missing, or two keys mean the same input. The message names them.

    Example:
        >>> match_inputs(["Input-Token", "Input-Segment"], ["input_ids", "token_type_ids", "attention_mask"], "bert")
        (['input_ids', 'token_type_ids'], {'Input-Token': 'attention_mask'})
    """
    given = list(given)
    aliases = {name: [name, *INPUT_NAMES.get(known_input(name) or "", ())] for name in names}
    masks = {name: MASK_NAMES[str(known_input(name))] for name in names if known_input(name) in MASK_NAMES}
    owners: dict[str, list[str]] = {}
    for name in names:
        for alias in aliases[name] + ([masks[name]] if name in masks else []):
            owners.setdefault(alias, []).append(name)
    for name in names:
        owners[name] = [name]  # the name of an input is never the alias of another one
    unknown = [key for key in given if key not in owners]
    takes = "; ".join(" or ".join(aliases[name]) for name in names)
    takes += "".join(f"; {mask} if there is padding" for mask in dict.fromkeys(masks.values()))
    if unknown:
        raise ValueError(f"{model} has no input {', '.join(map(str, unknown))}: leave it out. It takes {takes}")
    found: dict[str, list[str]] = {name: [] for name in names}
    found_masks: dict[str, list[str]] = {}
    for key in given:
        if len(owners[key]) > 1:
            raise ValueError(f"{model}: {key} may mean {' or '.join(owners[key])}: use these names")
        name = owners[key][0]
        (found if key in aliases[name] else found_masks).setdefault(name, []).append(key)
    missing = [" or ".join(aliases[name]) for name in names if not found[name]]
    if missing:
        raise ValueError(f"{model}: no {', no '.join(missing)} among {', '.join(given) or 'no names at all'}")
    for name, keys in found.items():
        if len(keys) > 1:
            raise ValueError(f"{model}: {' and '.join(keys)} both mean {name}: give one of them")
    return [found[name][0] for name in names], {name: keys[0] for name, keys in found_masks.items()}
