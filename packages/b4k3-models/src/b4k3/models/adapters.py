"""Write the LoRA of a transformer as an adapter of PEFT: `adapter_config.json` and `adapter_model.safetensors`.

PEFT names a matrix by the module of transformers that it belongs to. A Dense layer with kernel [in, out] is a module
with weight [out, in], and the matrices are transposed as well:

    ours   Transformer-0-MultiHeadSelfAttention/query               a [in, r]          b [r, out]
    PEFT   bert.encoder.layer.0.attention.self.query                lora_A [r, in]     lora_B [out, r]

Two cases are not one to one. GPT-2 has queries, keys and values in one module, c_attn. An adapter of it gives all three
the same `a` and their share of the columns of `b`. Three layers of ours that have different `a` are written as one
module of three times the rank:

    lora_A = [a_query | a_key | a_value]ᵀ       lora_B = diag(b_query, b_key, b_value)ᵀ

And a tied output uses the table of token embeddings, with its LoRA here, without it in PEFT. So the same product is
written twice, for the table and for the output, and an adapter whose two products differ is refused.
`adapter_reading.py` is the way back.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from b4k3 import backend

from . import lora
from .checkpoints import CheckpointError, save_checkpoint
from .checkpoints._staged_folder import StagedFolder
from .errors import ConfigError
from .loading import dialect_named
from .peft_config import written_config

if TYPE_CHECKING:
    from .dialects import Dialect
    from .lora import Target
    from .transformer import Transformer

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
LINEAR = (".lora_A.weight", ".lora_B.weight")
TABLE = (".lora_embedding_A", ".lora_embedding_B")


class Place(NamedTuple):
    """The module of transformers that a target belongs to.

    Attributes:
        module: str. The name of the module in a class with a head, such as "bert.encoder.layer.0.attention.self.query".
        part: (k, n) or None. If the module has n layers of ours joined, the target is number k.
        is_table: bool. Whether the module is an embedding.
        output: str or None. The module of the output that is tied to the table.
        transposed: bool. Whether the module stores its weight [in, out].

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> from b4k3.models.adapters import places_of
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> {target.names[0]: place.module for target, place in places_of(bert)}["Embedding-Token"]
        'bert.embeddings.word_embeddings'
    """

    module: str
    part: tuple[int, int] | None
    is_table: bool
    output: str | None
    transposed: bool


class Pair(NamedTuple):
    """The two matrices of one module in an adapter.

    Attributes:
        a: array, [r, in].
        b: array, [out, r].
        scale: float. The factor on b · a.

    Example:
        >>> from b4k3.models.adapters import Pair
        >>> Pair(np.ones((2, 16)), np.ones((24, 2)), scale=0.5).scale
        0.5
    """

    a: np.ndarray
    b: np.ndarray
    scale: float


# ------------------------------------------------------------------------------------------------------- names


def dialect_of(transformer: Transformer) -> Dialect:
    """Find the names that transformers has for the variables of a model.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        `Dialect`.

    Raises:
        ConfigError: transformers does not have the network.
    """
    of = transformer.description
    if of.huggingface is None:
        raise ConfigError(f"transformers has no class for model={of.name!r}, so an adapter of PEFT has no names for it")
    return dialect_named("huggingface", of)


def places_of(transformer: Transformer) -> list[tuple[Target, Place]]:
    """Find the modules of transformers that the targets of a model belong to.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        list of (`Target`, `Place`). A target without a module is left out.
    """
    dialect = dialect_of(transformer)
    found = []
    for target in lora.targets_of(transformer):
        module = module_of(dialect, target.variable)
        if module is not None:
            is_table = not isinstance(target.layer, backend.keras.layers.Dense)
            entry = transformer.description.find(target.variable)
            flipped = entry is not None and entry[2].transposed
            transposed = not is_table and dialect.candidates(target.variable)[0][1] == flipped
            output = tied_output(transformer, dialect, target.variable) if is_table else None
            found.append((target, Place(module, dialect.part(target.variable), is_table, output, transposed)))
    return found


def module_of(dialect: Dialect, variable: str) -> str | None:
    """Find the module of transformers that has a variable.

    Arguments:
        dialect: `Dialect`.
        variable: str. The canonical name of a kernel or table.

    Returns:
        str; None if transformers has no such module.
    """
    candidates = dialect.candidates(variable)
    end = ".weight"
    return candidates[0][0][: -len(end)] if candidates and candidates[0][0].endswith(end) else None


def tied_output(transformer: Transformer, dialect: Dialect, variable: str) -> str | None:
    """Find the module of the output that is tied to a table.

    Arguments:
        transformer: a built `Transformer`.
        dialect: `Dialect`.
        variable: str. The canonical name of the table.

    Returns:
        str; None if the model has no such output.
    """
    sizes = transformer.sizes
    for part, layer in transformer.description.layers():
        built = part.argument is None or bool(getattr(transformer, part.argument, False))
        for copy, original in layer.copies.items() if built and not layer.exists(sizes) else ():
            if original == variable:
                return module_of(dialect, copy)
    return None


def refuse_shared_table(dialect: Dialect, target: Target, place: Place) -> None:
    """Refuse the table of T5, which transformers has in several modules; PEFT adapts only one of them.

    Arguments:
        dialect: `Dialect`.
        target: `Target`.
        place: `Place` of the target.

    Raises:
        CheckpointError: transformers has several modules with the table.
    """
    if not place.is_table:
        return
    stored = {rule.to_stored(target.variable) for rule in dialect.rules or ()} - {None, f"{place.output}.weight"}
    if len(stored) > 1:
        raise CheckpointError(
            f"{target.names[-1]}: transformers has this table in several modules "
            f"({', '.join(sorted(map(str, stored)))}), and PEFT adapts one of them: leave it out of the targets, or "
            "write a checkpoint with save_weights_as_checkpoint"
        )


# ------------------------------------------------------------------------------------------------------- writing


def save(transformer: Transformer, folder: str, for_class: str | None, base_model: str | None) -> None:
    """Write the LoRA of a model as an adapter of PEFT.

    Arguments:
        transformer: a built `Transformer` with LoRA.
        folder: str. The folder, which is made if it is not there.
        for_class: str or None. The class of transformers that the adapter is for; None takes the one for the heads of
            the model.
        base_model: str or None. The name or path of the model for which the adapter is.

    Raises:
        ConfigError: the model has no LoRA, transformers does not have the network, or no such class of it.
        CheckpointError: PEFT has no place for something that is trained.
    """
    has_lora = lora.with_lora(transformer).targets
    refuse_other_trained(transformer)
    groups = grouped(transformer, has_lora)
    prefix = body_prefix(transformer, dialect_of(transformer), for_class)
    tensors: dict[str, np.ndarray] = {}
    scales: dict[str, tuple[int, float]] = {}
    for module, members in groups.items():
        pair, place = joined(members), members[0][1]
        stored = module[len(prefix) :] if prefix and module.startswith(prefix) else module
        scales[stored] = (len(pair.a), pair.scale)
        tensors.update(zip((PREFIX + stored + end for end in (TABLE if place.is_table else LINEAR)), pair[:2]))
        if place.output is not None:  # the table is (b · a)ᵀ = aᵀ · bᵀ, and so is the weight of the output
            scales[place.output] = scales[stored]
            output = (np.ascontiguousarray(pair.b.T), np.ascontiguousarray(pair.a.T))
            tensors.update(zip((PREFIX + place.output + end for end in LINEAR), output))
    transposed = any(members[0][1].transposed for members in groups.values())
    config = written_config(scales, transposed, base_model)
    with StagedFolder(folder, replace=True) as staged:
        save_checkpoint(os.path.join(staged.path, WEIGHTS), tensors, format="safetensors")
        with open(os.path.join(staged.path, CONFIG), "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2, sort_keys=True)
        staged.commit(last=[CONFIG])


def grouped(transformer: Transformer, targets: list[Target]) -> dict[str, list[tuple[Target, Place]]]:
    """Group targets by the modules of transformers that they belong to.

    Arguments:
        transformer: a built `Transformer`.
        targets: list of `Target`.

    Returns:
        dict from the name of a module to the list of (`Target`, `Place`).

    Raises:
        CheckpointError: PEFT has no place for a target.
    """
    dialect = dialect_of(transformer)
    groups: dict[str, list[tuple[Target, Place]]] = {}
    places = {id(target.layer): place for target, place in places_of(transformer)}
    cut = transformer.keep_tokens is not None or transformer.compound_tokens is not None
    for target in targets:
        place = places.get(id(target.layer))
        if place is None:
            raise CheckpointError(f"transformers has no name for {target.names[-1]}: leave it out of the targets")
        refuse_shared_table(dialect, target, place)
        if place.is_table and cut:
            raise CheckpointError(
                f"{target.names[-1]}: the vocabulary was cut down by keep_tokens or compound_tokens, so the table of "
                "transformers has other rows: leave it out of the targets"
            )
        groups.setdefault(place.module, []).append((target, place))
    return groups


def refuse_other_trained(transformer: Transformer) -> None:
    """Refuse to write an adapter if other weights of the model are trained too, because they would be lost.

    Arguments:
        transformer: a built `Transformer` with LoRA.

    Raises:
        CheckpointError: a weight that is not of LoRA is trainable.
    """
    names = [
        layer.name
        for layer in lora.layers_with_weights(transformer)
        if any(weight.trainable for weight in backend.base_weights(layer))
    ]
    if names:
        raise CheckpointError(
            f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}: these weights are trained too, and an adapter "
            "has LoRA alone: write all weights with save_weights_as_checkpoint, or freeze these layers"
        )


def body_prefix(transformer: Transformer, dialect: Dialect, for_class: str | None) -> str:
    """Return the beginning that the names of modules lose in the class that the adapter is for.

    Arguments:
        transformer: a built `Transformer`.
        dialect: `Dialect`.
        for_class: str or None. The name of the class; None chooses it by the heads of the model.

    Returns:
        str. "bert." for BertModel, and "" for BertForMaskedLM, which has a BertModel as `bert`.

    Raises:
        ConfigError: the network has no such class.
    """
    theirs: Any = transformer.description.huggingface
    starts = list(theirs.types.values())
    if for_class is None:
        heads = {part.name for part in transformer.description.heads if getattr(transformer, str(part.argument), False)}
        heads |= {part.name for part in transformer.description.body}
        end = next((end for end, needed in theirs.classes if set(needed) <= heads), "Model")
        for_class = starts[0] + end
    if not for_class.startswith(tuple(starts)):
        raise ConfigError(f"for_class={for_class!r}, expected a class of transformers that begins with {starts[0]}")
    return dialect.prefixes[0] if dialect.prefixes and for_class in [start + "Model" for start in starts] else ""


def joined(members: list[tuple[Target, Place]]) -> Pair:
    """Make the matrices of a module.

    Arguments:
        members: list of (`Target`, `Place`): the target of the module, or the targets that the module has joined, or
            that share it.

    Returns:
        `Pair` of float32 arrays.

    Raises:
        CheckpointError: targets that share a module differ.
    """
    pairs = [pair_of(target) for target, _ in members]
    first, part = pairs[0], members[0][1].part
    if part is None:
        for (target, place), pair in zip(members, pairs):
            if pair.scale != first.scale or not all(map(np.array_equal, pair[:2], first[:2])):
                raise CheckpointError(
                    f"{target.names[-1]} differs from another layer that is stored as {place.module} too"
                )
        return first
    places = [(place.part or (0, 0))[0] for _, place in members]
    pairs = [Pair(pair.a, pair.b * np.float32(pair.scale / first.scale), first.scale) for pair in pairs]
    alike = len(pairs) == part[1] and all(np.array_equal(pair.a, first.a) for pair in pairs)
    a = first.a if alike else np.concatenate([pair.a for pair in pairs])  # [rank, in] or [rank · members, in]
    b = np.zeros((len(first.b) * part[1], len(a)), dtype="float32")  # [out · n, rank · members]
    column = 0
    for k, pair in zip(places, pairs):
        rank = len(pair.a)
        b[k * len(pair.b) : (k + 1) * len(pair.b), column : column + rank] = pair.b
        column += 0 if alike else rank
    return Pair(a, b, first.scale)


def pair_of(target: Target) -> Pair:
    """Bring the matrices of a target into the form of PEFT.

    Arguments:
        target: `Target` with LoRA.

    Returns:
        `Pair` of contiguous float32 arrays.
    """
    low = backend.low_rank_of(target.layer)
    assert low is not None, target.names
    a, b = (np.array(backend.keras.ops.convert_to_numpy(weight), dtype="float32").T for weight in low[1:3])
    return Pair(np.ascontiguousarray(a), np.ascontiguousarray(b), low.scale)
