"""Resume a pretraining: the moments of Adam and the number of updates, in a checkpoint of TensorFlow 1.

Beside each variable such a checkpoint may have its two moments, and once the number of updates:

    bert/pooler/dense/kernel            the variable
    bert/pooler/dense/kernel/adam_m     the average of its gradient
    bert/pooler/dense/kernel/adam_v     the average of the square of its gradient
    global_step

A moment goes the way of its variable: the same names of the dialect, transposed if the variable is transposed, and cut
where several variables are stored as one. All of this only moves numbers, so it is right for squares too. What
computes with numbers is not, and is refused: resized arrays, and rows that are made of several rows.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from b4k3 import backend

from .checkpoints import CheckpointError
from .checkpoints.base import Checkpoint, Entry
from .dialects import View
from .errors import ConfigError
from .loading import LoadReport, open_view, read

if TYPE_CHECKING:
    from .transformer import Transformer
    from .weights import CheckpointLike

STEP = "global_step"
# The ends of the names of both moments: of BERT's own optimizer, of LAMB, and of tf.train.AdamOptimizer.
SPELLINGS = (("/adam_m", "/adam_v"), ("/lamb_m", "/lamb_v"), ("/Adam", "/Adam_1"))


class MomentsOf(Checkpoint):
    """One of the moments in a checkpoint, under the names of the variables that it belongs to.

    Arguments:
        checkpoint: what `open_checkpoint` returned.
        end: str. What stands behind the name of the variable, such as '/adam_m'.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> whole = open_checkpoint({"kernel": np.zeros(3, "float32"), "kernel/adam_m": np.ones(3, "float32")})
        >>> MomentsOf(whole, "/adam_m")["kernel"]
        array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, checkpoint: Checkpoint, end: str) -> None:
        self.checkpoint = checkpoint
        self.format = checkpoint.format
        entries = []
        for name in checkpoint:
            if name.endswith(end):
                size = checkpoint.nbytes(name)
                entry = Entry(checkpoint.shape(name), checkpoint.stored_dtype(name), size, name)
                entries.append((name[: -len(end)], entry))
        super().__init__(checkpoint.path, entries)

    def _read(self, name: str, entry: Entry) -> np.ndarray:
        """Read the moment of a variable."""
        return self.checkpoint[entry.where]


def restore_adam(
    transformer: Transformer, checkpoint: CheckpointLike, model: Any = None, step: int | None = None
) -> LoadReport:
    """Go on with the optimizer of a checkpoint: set both moments of each trained variable, and the number of updates.

    The optimizer is `b4k3.optimizers.Adam`, extended or not. The weights themselves are loaded as always. BERT was
    trained with `bias_correction=False`, a weight decay of 0.01 that excludes ["Norm", "bias", "MLM-Bias"], and a
    learning rate that falls to 0 along a straight line after a warm-up; schedules go on from the number of updates.
    Nothing is changed if anything does not fit.

    Arguments:
        transformer: Transformer. What `build_transformer_model(…, return_keras_model=False)` returned.
        checkpoint: path, or dict from name to array. A checkpoint with `…/adam_m` and `…/adam_v`.
        model: keras.Model, or None. The compiled model that is trained, with the layers of the transformer; None is
            `transformer.model`.
        step: int, or None. The number of updates so far; None reads `global_step`.

    Returns:
        `LoadReport` of the first moments.

    Raises:
        CheckpointError: the checkpoint has no moments, or lacks a trained variable or its shape. The message
            lists all of them.
        ConfigError: the model is not compiled with Adam of b4k3.optimizers, or its weights are no plain copies of the
            stored ones, for example because of `compound_tokens`.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> from b4k3.optimizers import Adam
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> bert.model.compile(loss="mse", optimizer=Adam(1e-4, bias_correction=False))
        >>> report = restore_adam(bert, {**bert.checkpoint_variables(), **adam_variables(bert)})
        >>> len(report.loaded)
        37
    """
    model = _compiled(transformer, model)
    _refuse_computed(transformer)
    view = open_view(checkpoint, transformer.description, True)
    ends = next((ends for ends in SPELLINGS if any(name.endswith(ends[0]) for name in view.checkpoint)), None)
    if ends is None:
        raise CheckpointError(
            f"{view.checkpoint.path} has no moments of Adam (…/adam_m and …/adam_v): most publishers leave them out. "
            "Train with fresh ones, after a warm-up"
        )
    step = _step_of(view.checkpoint) if step is None else step
    optimizer = _optimizer_with_moments(model)
    pairs, problems, reports = list(backend.counters(optimizer, step)), [], []
    for slot, end in zip(optimizer.moments, ends):
        moment = View(MomentsOf(view.checkpoint, end), view.dialect)
        found, report, wrong = moments_of(transformer, moment, optimizer, slot)
        pairs += found
        problems += [f"{line} ({end[1:]})" for line in wrong]
        reports.append(report)
    if problems:
        shown = problems[:20] + ([f"… and {len(problems) - 20} more"] if len(problems) > 20 else [])
        lines = "\n  ".join(shown)
        raise CheckpointError(
            f"{view.checkpoint.path} does not have the moments of all trained variables; the optimizer was not changed."
            f"\n  {lines}\nWhat to do: build the heads that were trained, and set `trainable` of layers that were not "
            "to False."
        )
    backend.assign_weights([(variable, np.asarray(value)) for variable, value in pairs])
    reports[0].notes.append(f"the optimizer goes on after {step} updates")
    return reports[0]


def adam_variables(transformer: Transformer, model: Any = None) -> dict[str, np.ndarray]:
    """Return the state of Adam in the form in which a checkpoint stores it, for `save_checkpoint`.

    Arguments:
        transformer: Transformer. What `build_transformer_model(…, return_keras_model=False)` returned.
        model: keras.Model, or None. The compiled model that is trained; None is `transformer.model`.

    Returns:
        dict from name to array: `…/adam_m` and `…/adam_v` of the canonical name of each trained variable, and
        `global_step`. Variables of layers that no checkpoint has are not in it.

    Raises:
        ConfigError: the model is not compiled with Adam of b4k3.optimizers, or several layers share a variable.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> from b4k3.optimizers import Adam
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> bert.model.compile(loss="mse", optimizer=Adam(1e-4, bias_correction=False))
        >>> adam_variables(bert)["bert/embeddings/word_embeddings/adam_m"].shape
        (20, 16)
    """
    _refuse_shared(transformer)
    optimizer = _optimizer_with_moments(_compiled(transformer, model))
    trained = {id(variable): slots for variable, slots in optimizer.variables_with_slots()}
    slots = {}
    for layer, variables in transformer.mapping_of_layers().items():
        for name, weight in zip(variables, transformer.layers[layer].weights):
            for slot, end in zip(optimizer.moments, SPELLINGS[0]) if id(weight) in trained else ():
                slots[name, end] = trained[id(weight)][slot]
    values = zip(slots, backend.K.batch_get_value(list(slots.values())))
    found = {name + end: transformer.create_variable(name, np.asarray(value)) for (name, end), value in values}
    counter, per_update = backend.counters(optimizer, 1)[0]
    return {**found, STEP: np.asarray(int(backend.K.get_value(counter)) // per_update, "int64")}


def _compiled(transformer: Transformer, model: Any) -> Any:
    """Return the model to train, and refuse one that has no optimizer."""
    model = transformer.model if model is None else model
    if getattr(model, "optimizer", None) is None:
        raise ConfigError("the model has no optimizer yet: call model.compile first")
    return model


def _optimizer_with_moments(model: Any) -> Any:
    """Return the optimizer of a compiled model with its slots made, and refuse one that is not Adam of b4k3."""
    optimizer = backend.prepared_optimizer(model)
    if not hasattr(optimizer, "moments"):
        raise ConfigError(
            "the moments of a checkpoint belong to Adam of b4k3.optimizers, extended or not; the model has "
            f"another optimizer, {type(optimizer).__name__}"
        )
    return optimizer


def _refuse_computed(transformer: Transformer) -> None:
    """Refuse weights that are computed from stored ones in a way in which squares of gradients are not."""
    _refuse_shared(transformer)
    if transformer.compound_tokens is not None and len(transformer.compound_tokens):
        said = "compound_tokens makes rows that are the mean of other rows"
    elif transformer.keep_tokens is not None and len(set(transformer.keep_tokens)) < len(transformer.keep_tokens):
        said = "keep_tokens has an id twice, so that two rows share the gradient of one"
    elif not type(transformer).load_variable.__module__.startswith("b4k3."):
        said = f"{type(transformer).__name__} has a load_variable of its own"
    else:
        return
    raise ConfigError(f"the moments of a checkpoint do not fit this model: {said}")


def _refuse_shared(transformer: Transformer) -> None:
    """Refuse a model that has several weights where a checkpoint has one variable."""
    names = Counter(name for names in transformer.mapping_of_layers().values() for name in names)
    shared = next((name for name, count in names.items() if count > 1), None)
    if shared is not None:
        raise ConfigError(
            f"the moments of a checkpoint do not fit this model: several layers are stored as {shared}, and each has "
            "only a part of its gradient"
        )


def _step_of(checkpoint: Checkpoint) -> int:
    """Return the number of updates that a checkpoint was trained."""
    if STEP not in checkpoint:
        raise CheckpointError(f"{checkpoint.path} has no {STEP}: give the number of updates as step=")
    value = np.asarray(checkpoint[STEP])
    if value.size != 1 or value.dtype.kind not in "iuf" or value.ravel()[0] < 0:
        raise CheckpointError(f"{checkpoint.path}: {STEP} is {value!r}, expected a number: give it as step=")
    return int(value.ravel()[0])


def moments_of(
    transformer: Transformer, view: View, optimizer: Any, slot: str
) -> tuple[list[tuple[Any, np.ndarray]], LoadReport, list[str]]:
    """Match a slot of each trained variable with the moments in a checkpoint.

    Arguments:
        transformer: a built `Transformer`.
        view: `View` of one of the moments.
        optimizer: the optimizer, prepared.
        slot: str. The name of the slot.

    Returns:
        The list of (slot, array) to assign, the `LoadReport`, and the list of what is wrong.
    """
    trained = {id(variable): (variable, slots) for variable, slots in optimizer.variables_with_slots()}
    report = LoadReport(view.checkpoint.path, view.dialect.name)
    pairs, wrong = [], []
    for layer, variables in transformer.mapping_of_layers().items():
        for i, (name, weight) in enumerate(zip(variables, transformer.layers[layer].weights)):
            _, slots = trained.pop(id(weight), (None, None))
            value = None if slots is None else read(transformer, view, layer, i, name, tuple(weight.shape), report)
            if value is None:
                continue
            if not np.isfinite(value).all() or (slot == optimizer.moments[1] and (value < 0).any()):
                wrong.append(f"values: {name} has numbers that no moment has")
            pairs.append((slots[slot], value))
    for layer, name, stored, wanted in report.resized:
        wrong.append(f"shape: {name} is {list(stored)} in the file, {layer} wants {list(wanted)}, and is not resized")
    wrong += [f"missing: {backend.weight_path(v)}, a variable that no checkpoint has" for v, _ in trained.values()]
    return pairs, report, report.problems() + wrong
