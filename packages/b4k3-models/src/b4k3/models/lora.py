"""Low-rank adaptation (LoRA) of a transformer: which layers can have it, and how they get it and lose it.

The layers are found by the description of the network. The attention layer of a block has four Dense layers inside, so
these are four targets in each block, and each of them has three names:

    query     MultiHeadSelfAttention/query     Transformer-0-MultiHeadSelfAttention/query

The first name means the queries of all attention layers, also of the attention to the encoder in T5; the second one
means the queries of one kind of layer in all blocks, the third one means one block. Of a layer that is itself a Dense
layer or an `Embedding`, the name is a target: "Pooler-Dense", "Embedding-Token".
"""

from __future__ import annotations

import difflib
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Sequence

import numpy as np

from b4k3.backend import (
    base_weights,
    disable_lora,
    enable_lora,
    forget_compiled,
    keras,
    layers_inside,
    low_rank_of,
    merged_weights,
)
from b4k3.layers import Embedding

from .errors import ConfigError, short
from .quantised import refuse_quantised

if TYPE_CHECKING:
    from .transformer import Transformer


class Target(NamedTuple):
    """A layer of a transformer that can have LoRA.

    Attributes:
        names: tuple of str. The names that a caller may give for it; the last one names no other layer.
        owner: Keras layer. The layer of the model, which is the layer itself or has it inside.
        layer: keras.layers.Dense or `Embedding`.
        variable: str. The canonical name of its kernel or table.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> from b4k3.models.lora import targets_of
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> targets_of(bert)[0].names
        ('Embedding-Token',)
    """

    names: tuple[str, ...]
    owner: Any
    layer: Any
    variable: str


class TrainableShare:
    """How many weights of a model are trained. Printed, it is one line.

    Arguments:
        what: str. What was done, with which the line begins.
        model: keras.Model.

    Attributes:
        what: str. The argument.
        trainable: int. The number of numbers that are trained.
        total: int. The number of all numbers.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> share = bert.enable_lora(rank=2, verbose=False)
        >>> share.trainable
        256
    """

    def __init__(self, what: str, model: Any) -> None:
        self.what = what
        self.trainable, self.total = count_of(model.trainable_weights), count_of(model.weights)

    def __str__(self) -> str:
        share = 100 * self.trainable / max(self.total, 1)
        return f"{self.what}: trainable {self.trainable:,} of {self.total:,} ({share:.2f} %)"


def count_of(weights: Iterable[Any]) -> int:
    """Count the numbers in weights.

    Arguments:
        weights: iterable of variables.

    Returns:
        int.
    """
    return sum(int(np.prod([int(size) for size in weight.shape])) for weight in weights)


class Lora:
    """The LoRA of a transformer.

    Arguments:
        targets: list of `Target`. The layers that have it.
        before: list of (layer or variable, bool). What was trainable before, layers first.

    Attributes:
        targets: the argument.
        before: the argument.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> share = bert.enable_lora(4, verbose=False)
        >>> bert.lora.targets[0].names
        ('query', 'MultiHeadSelfAttention/query', 'Transformer-0-MultiHeadSelfAttention/query')
    """

    def __init__(self, targets: list[Target], before: list[tuple[Any, bool]]) -> None:
        self.targets = targets
        self.before = before


def layers_with_weights(transformer: Transformer) -> list[Any]:
    """List the layers of a transformer that have weights, each of them once.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        list of Keras layers.
    """
    layers = {id(layer): layer for layer in transformer.layers.values() if getattr(layer, "weights", ())}
    return list(layers.values())


def targets_of(transformer: Transformer) -> list[Target]:
    """Find the layers of a transformer that can have LoRA.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        list of `Target`, in the order of the description.

    Raises:
        CheckpointError: the model is quantised.
        BackendError: the environment has Keras 2.
    """
    refuse_quantised(layers_with_weights(transformer), "LoRA")
    instances = transformer.description.instances(transformer.sizes)
    kinds = {transformer.prefixed(name): layer.name for _, layer, name, _ in instances}
    found = []
    for name, variables in transformer.mapping_of_layers().items():
        owner = transformer.layers[name]
        numbers = {id(weight): i for i, weight in enumerate(base_weights(owner))}
        for layer in layers_inside(owner):
            low = low_rank_of(layer)
            base = getattr(layer, "embeddings", None) if isinstance(layer, Embedding) else None
            if isinstance(layer, keras.layers.Dense):
                base = layer.kernel if low is None else low.base
            number = numbers.get(id(base), len(variables))
            if number < len(variables):
                kind = kinds.get(name, name)
                names = (kind, name) if layer is owner else (layer.name, f"{kind}/{layer.name}", f"{name}/{layer.name}")
                found.append(Target(tuple(dict.fromkeys(names)), owner, layer, variables[number]))
    return found


def choose(transformer: Transformer, wanted: str | Sequence[str]) -> list[Target]:
    """Find the targets that a caller names.

    Arguments:
        transformer: a built `Transformer`.
        wanted: str or list of str. Names of `Target`s.

    Returns:
        list of `Target`.

    Raises:
        ConfigError: the model has no such target; the message lists the names that it has.
    """
    known = targets_of(transformer)
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if not wanted:
        raise ConfigError("targets is empty: name the layers that get LoRA, for instance ('query', 'value')")
    for name in wanted:
        if not any(name in target.names for target in known):
            general = sorted({other for target in known for other in target.names[:-1] or target.names})
            near = difflib.get_close_matches(str(name), sorted({n for t in known for n in t.names}), 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"targets: {type(transformer).__name__} has no layer {short(name)}{hint}. It has {', '.join(general)}"
            )
    return [target for target in known if any(name in target.names for name in wanted)]


def enable(transformer: Transformer, chosen: Sequence[tuple[Target, int, float]]) -> None:
    """Give layers LoRA, and freeze every other weight of the transformer.

    Arguments:
        transformer: a built `Transformer`.
        chosen: list of (`Target`, rank, alpha).

    Raises:
        ConfigError: the transformer has LoRA already, or a layer got it elsewhere.
        ValueError: this Keras has no alpha for a layer.
    """
    if transformer.lora is not None:
        raise ConfigError("the model has LoRA already: call merge_lora() or remove_lora() first")
    for target, _, _ in chosen:
        if low_rank_of(target.layer) is not None:
            raise ConfigError(f"{target.names[-1]} has LoRA already, by another model that shares the layer")
    layers = layers_with_weights(transformer)
    owners = list({id(target.owner): target.owner for target, _, _ in chosen}.values())
    before = [(owner, owner.trainable) for owner in owners]
    before += [(weight, weight.trainable) for layer in layers for weight in layer.weights]
    given: list[Target] = []
    try:
        for target, rank, alpha in chosen:
            enable_lora(target.layer, rank, alpha)
            given.append(target)
    except Exception:
        for target in given:
            disable_lora(target.layer)
        restore(before)
        raise
    for owner in owners:
        owner.trainable = True
    for layer in layers:
        for weight in base_weights(layer):
            weight.trainable = False
    transformer.lora = Lora([target for target, _, _ in chosen], before)
    forget_compiled(transformer.model)


def restore(before: Iterable[tuple[Any, bool]]) -> None:
    """Set what is trainable.

    Arguments:
        before: list of (layer or variable, bool).
    """
    for thing, trainable in before:
        thing.trainable = trainable


def take_out(transformer: Transformer, merge: bool) -> None:
    """Take LoRA out of a transformer. The weights that were trainable before it are trainable again.

    Arguments:
        transformer: a built `Transformer`.
        merge: bool. Whether the products are added to the kernels, or dropped.

    Raises:
        ConfigError: the transformer has no LoRA.
    """
    lora = with_lora(transformer)
    for target in lora.targets:
        low = low_rank_of(target.layer)
        if low is not None:
            if merge:
                weights = base_weights(target.layer)
                number = next(i for i, weight in enumerate(weights) if weight is low.base)
                low.base.assign(merged_weights(target.layer)[number])
            disable_lora(target.layer)
    restore(lora.before)
    transformer.lora = None
    forget_compiled(transformer.model)


def with_lora(transformer: Transformer) -> Lora:
    """Return the LoRA of a transformer.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        `Lora`.

    Raises:
        ConfigError: the transformer has none.
    """
    if transformer.lora is None:
        raise ConfigError("the model has no LoRA: call enable_lora or load_adapter first")
    return transformer.lora


def checked_rank(rank: Any) -> int:
    """Check a rank.

    Arguments:
        rank: Any. The argument of the caller.

    Returns:
        int, 1 or more.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(rank, bool) or not isinstance(rank, Integral) or rank < 1:
        raise ConfigError(f"rank={short(rank)}, expected a whole number, 1 or more")
    return int(rank)


def checked_alpha(alpha: Any, rank: int, use_rslora: bool) -> float:
    """Compute the alpha that scales the products by alpha / rank.

    Arguments:
        alpha: Any. The argument of the caller; None means rank.
        rank: int. The rank.
        use_rslora: bool. Whether the products shall be scaled by alpha / sqrt(rank) instead.

    Returns:
        float or int.

    Raises:
        ConfigError: alpha is no positive number.
    """
    alpha = rank if alpha is None else alpha
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < float("inf"):
        raise ConfigError(f"alpha={short(alpha)}, expected a positive number, or None for the rank")
    scaled: Any = float(alpha) * rank**0.5 if use_rslora else alpha
    return scaled
