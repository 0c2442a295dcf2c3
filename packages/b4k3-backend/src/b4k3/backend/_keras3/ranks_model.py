"""The Keras model that `fit` trains on several ranks of torch. `ranks.py` says how, and why it is exact."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import keras

from .perturbed import output_structure
from .prediction import input_structure
from .ranks import (
    Dice,
    Pass,
    checksum,
    gathered_rows,
    group_rank,
    group_size,
    need_torch,
    on_first,
    ranks_agree,
    send_generators,
    send_variables,
    shares,
    weights_behind,
)

# What a model may not replace, because `fit` of RanksModel calls its own.
STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "make_train_function")


def refuse(model: Any) -> None:
    """Refuse models that ranks cannot train as one process does.

    Arguments:
        model: Any.

    Raises:
        TypeError: it is no model with inputs and outputs.
        ValueError: it has a step of its own, or a layer that computes with the rows of its rank alone.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise TypeError(f"expected a Keras model with inputs and outputs, got {type(model).__name__}")
    own = [name for name in STEPS if getattr(type(model), name) is not getattr(keras.Model, name)]
    if own:
        raise ValueError(f"{model.name} has its own {' and '.join(own)}, which would not run: wrap a plain keras.Model")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise ValueError(
                f"{layer.name} is a BatchNormalization: each rank would normalize by its own rows, and ranks would "
                "drift apart; use a LayerNormalization, or freeze it by trainable=False"
            )


class Ranks:
    """What a RanksModel has beside its layers. This is a plain object, so that Keras does not look for layers in it.

    Arguments:
        model: keras.Model. The model that was given.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.dice = Dice(group_rank())
        self.parallel: Any = None  # the DistributedDataParallel around a Pass, made when training begins

    def begin(self, rows: Any, sizes: list[int]) -> None:
        """Make the DistributedDataParallel, which gives all ranks the weights of rank 0.

        It waits for the gradient of each weight unless it is told to look for weights that no output depends on, which
        takes time in each step. So the first batch shows whether there are any.
        """
        import torch

        if not self.model.trainable_variables:
            raise ValueError(f"{self.model.name} has no trainable weights")
        one_pass = Pass(self.model)
        state = [(v, v._value) for v in self.model.variables]  # not cast, as `value` is in a call
        with keras.StatelessScope(state, collect_losses=True):  # what the pass changes, such as metrics, is dropped
            outputs, _, losses = one_pass(rows, sizes, False)
        needed = weights_behind([*outputs, *losses])
        unused = any(v._value not in needed for v in self.model.trainable_variables)
        self.parallel = torch.nn.parallel.DistributedDataParallel(one_pass, find_unused_parameters=unused)
        self.spread_seeds()

    def spread_seeds(self) -> None:
        """Give each rank other seeds of dropout. Before, all ranks have the seeds of rank 0."""
        for variable in self.model.non_trainable_variables:
            if variable.dtype == "uint32" and tuple(variable.shape) == (2,):
                seed, count = keras.ops.convert_to_numpy(variable.value)
                variable.assign([(int(seed) + group_rank() * 7919) % 2**31, count])


class RanksModel(keras.Model):
    """A model on which `fit`, `evaluate` and `predict` share the work among all ranks, with the results of one process.

    Every rank gives the same data in the same order and has the same results, in `history` too. It shares the layers
    and weights of the model that was given.

    Arguments:
        model: keras.Model. A model with inputs and outputs.

    Raises:
        TypeError, ValueError: `refuse` says why.
    """

    def __init__(self, model: Any) -> None:
        refuse(model)
        super().__init__(input_structure(model), output_structure(model), name=model.name)
        self.ranks = Ranks(model)
        send_variables(model.variables)

    # ---- one call

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute this rank's rows, and gather the outputs of all ranks.

        Arguments:
            inputs: nested tensors, [batch, ...]. The same on all ranks.
            training: bool or None.
            mask: Any. The masks of the inputs, which must be None: layers make them from padding ids.

        Returns:
            The outputs of the whole batch.

        Raises:
            ValueError: ranks have different inputs, or no row.
        """
        flat = [x for x in keras.tree.flatten(inputs) if x is not None]
        rows = len(flat[0])
        self.check_same("inputs", inputs)
        sizes, rank = shares(rows, group_size()), group_rank()
        start = min(sum(sizes[:rank]), rows - 1)
        own = keras.tree.map_structure(lambda x: x[start : start + max(sizes[rank], 1)], inputs)
        with self.ranks.dice.rolled() if training else contextlib.nullcontext():
            outputs, masks, _ = self.run(own, sizes, bool(training))
        whole = [gathered_rows(x, sizes) for x in outputs]
        for x, m in zip(whole, masks):
            if m is not None:
                x._keras_mask = gathered_rows(m, sizes)
        return keras.tree.pack_sequence_as(output_structure(self), whole)

    def run(self, rows: Any, sizes: list[int], training: bool) -> Any:
        """Compute rows as `Pass.forward` does, by DistributedDataParallel if their gradient may be asked for."""
        import torch

        if training and torch.is_grad_enabled():
            if self.ranks.parallel is None:
                self.ranks.begin(rows, sizes)
            return self.ranks.parallel(rows, sizes, training)
        return Pass.forward(_Plain(self.ranks.model), rows, sizes, training)

    def check_same(self, what: str, nested: Any) -> None:
        """Raise ValueError on all ranks if one of them has other data."""
        if not ranks_agree(checksum(nested)):
            raise ValueError(
                f"{self.name}: ranks have different {what}. Each rank must give the whole batch, in the same order; "
                "the ranks share its rows among them. Set the same seed in each process, or do not shuffle"
            )

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Compute the loss of the whole batch, after ranks have compared their targets and weights."""
        if not any(isinstance(v, keras.KerasTensor) for v in keras.tree.flatten([x, y, y_pred])) and not _is_meta(
            y_pred
        ):
            self.check_same("targets or sample weights", [y, sample_weight])
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    # ---- training

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure training. The arguments are the same as for `keras.Model.compile`."""
        given = inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments
        if given.get("jit_compile") is True:
            raise ValueError(
                "jit_compile=True: torch.compile does not know of the exchange between ranks; leave it out"
            )
        given = {key: value for key, value in given.items() if key != "self"}
        super().compile(**dict(given, jit_compile=False))
        self.ranks.model.compile(**dict(given, optimizer=self.optimizer))  # it is saved with the optimizer's state

    def make_train_function(self, force: bool = False) -> Any:
        """Make the function of a step, after `compile` also the exchange of gradients."""
        if self.train_function is None or force:
            self.ranks.parallel = None  # layers may have been frozen since
        return super().make_train_function(force)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train. The arguments are the same as for `keras.Model.fit`; rank 0 alone shows the progress."""
        send_generators()
        if getattr(self.optimizer, "built", False):
            send_variables(self.optimizer.variables)
        return super().fit(**self._quiet("fit", args, kwargs))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Compute loss and metrics. The arguments are the same as for `keras.Model.evaluate`."""
        return super().evaluate(**self._quiet("evaluate", args, kwargs))

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Compute outputs. The arguments are the same as for `keras.Model.predict`; each rank gets all rows."""
        return super().predict(**self._quiet("predict", args, kwargs))

    def _quiet(self, name: str, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a method of `keras.Model` by name; no progress is shown on ranks other than 0."""
        bound = inspect.signature(getattr(keras.Model, name)).bind(self, *args, **kwargs).arguments
        extra = bound.pop("kwargs", {})
        given = {**{key: value for key, value in bound.items() if key != "self"}, **extra}
        return given if group_rank() == 0 else dict(given, verbose=0)

    # ---- files

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the model that was given, on rank 0; the other ranks wait. The arguments are the same as in Keras."""
        on_first(self.ranks.model.save, *args, **kwargs)

    def save_weights(self, *args: Any, **kwargs: Any) -> None:
        """Save the weights on rank 0; the other ranks wait. The arguments are the same as in Keras."""
        on_first(self.ranks.model.save_weights, *args, **kwargs)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        """Load weights on every rank. The arguments are the same as in Keras."""
        self.ranks.model.load_weights(*args, **kwargs)
        self.ranks.spread_seeds()


class _Plain:
    """What `Pass.forward` reads of a Pass, without the parameters."""

    def __init__(self, model: Any) -> None:
        self.hidden = (model,)


def _is_meta(nested: Any) -> bool:
    """Return whether Keras computes shapes alone."""
    return any(getattr(getattr(x, "device", None), "type", None) == "meta" for x in keras.tree.flatten(nested))


def ranks_model(model: Any) -> Any:
    """Make the model that all ranks train together.

    Arguments:
        model: keras.Model. A model with inputs and outputs.

    Returns:
        `RanksModel`; the model itself if there is one rank.

    Raises:
        BackendError: Keras is not on torch.
        TypeError, ValueError: ranks cannot train the model as one process does.
    """
    need_torch("distributed_data_parallel")
    return model if group_size() == 1 else RanksModel(model)
