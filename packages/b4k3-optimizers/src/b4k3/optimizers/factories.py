"""Extend an optimizer: classes that are made from classes, as in bert4keras."""

from __future__ import annotations

import functools
from typing import Any, Callable

from b4k3.backend import UpdateMixin, keras

from ._extensible import Extensible
from ._extensions import EXTENSIONS
from ._registering import register_extended

Factory = Callable[..., Any]


def export_to_custom_objects(factory: Factory) -> Factory:
    """Decorate a factory of optimizer classes, so that Keras finds each class that it makes when a model is loaded.

    Arguments:
        factory: function from a class to a class.

    Returns:
        A function `(BaseOptimizer, name=None)`. The name becomes the `__name__` of the class.

    Example:
        >>> @export_to_custom_objects
        ... def without_bias_correction(BaseOptimizer):
        ...     class NewOptimizer(BaseOptimizer):
        ...         def __init__(self, *args, **kwargs):
        ...             super().__init__(*args, bias_correction=False, **kwargs)
        ...     return NewOptimizer
        >>> without_bias_correction(Adam, "BertAdam").__name__
        'BertAdam'
    """

    @functools.wraps(factory)
    def make(BaseOptimizer: type, name: str | None = None) -> Any:
        """Make the class, name it, and tell Keras the name."""
        return named(factory(BaseOptimizer), name)

    return make


def named(optimizer: type, name: str | None) -> type:
    """Give a class a name, and tell Keras.

    Arguments:
        optimizer: class. An optimizer with extensions.
        name: str, or None. Its name; None leaves it as it is.

    Returns:
        The class.
    """
    if name is not None:
        optimizer.__name__ = optimizer.__qualname__ = name
    return register_extended(optimizer)


def extend(BaseOptimizer: type, factory: str, name: str | None) -> type:
    """Return a subclass of an optimizer with one more extension.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        factory: str. A key of `EXTENSIONS`.
        name: str, or None. The name of the class; None puts it together from both.

    Returns:
        class.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.
    """
    extension = EXTENSIONS[factory]
    if not isinstance(BaseOptimizer, type) or not issubclass(BaseOptimizer, keras.optimizers.Optimizer):
        raise TypeError(f"{factory} extends a class of optimizers, such as Adam; found {BaseOptimizer!r}.")
    bases = (BaseOptimizer,) if issubclass(BaseOptimizer, Extensible) else (Extensible, UpdateMixin, BaseOptimizer)
    before = getattr(BaseOptimizer, "extensions", ())
    if any(issubclass(other, extension) for other in before):
        raise TypeError(f"{BaseOptimizer.__name__} has the extension {factory} already.")
    if extension.methods:
        bases = (extension.methods, *bases)
    of_keras = "" if issubclass(BaseOptimizer, Extensible) else "Keras"  # Adam of Keras is not ours
    members = {"extensions": (*before, extension), "__doc__": f"{BaseOptimizer.__name__}, {extension.__doc__}"}
    return named(type(f"{of_keras}{BaseOptimizer.__name__}{extension.__name__}", bases, members), name)


def extend_with_weight_decay(BaseOptimizer: type, name: str | None = None) -> Any:
    """Add weight decay that is decoupled from the gradient: each update moves a variable towards 0.

    The new class takes the arguments of the optimizer, and by name:

        weight_decay_rate: float. The decay, times the learning rate in force, per update; 0.01 by default.
        exclude_from_weight_decay: list of str. Regular expressions, such as ['Norm', 'bias']; variables whose path has
            one of them do not decay.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_weight_decay(Adam, "AdamW")(2e-5, exclude_from_weight_decay=["Norm", "bias"])

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, https://arxiv.org/abs/1711.05101
    """
    return extend(BaseOptimizer, "extend_with_weight_decay", name)


def extend_with_layer_adaptation(BaseOptimizer: type, name: str | None = None) -> Any:
    """Make each step as long as its variable is, times the learning rate. With weight decay inside it is LAMB.

    The new class takes the arguments of the optimizer, and by name:

        exclude_from_layer_adaptation: list of str. Regular expressions; variables whose path has one of them take
            the steps of the optimizer.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_layer_adaptation(Adam, "Lamb")(1e-3, exclude_from_layer_adaptation=["Norm", "bias"])

    Reference: You et al., Large Batch Optimization for Deep Learning, https://arxiv.org/abs/1904.00962
    """
    return extend(BaseOptimizer, "extend_with_layer_adaptation", name)


def extend_with_piecewise_linear_lr(BaseOptimizer: type, name: str | None = None) -> Any:
    """Multiply the learning rate by a factor: points with straight lines between them, or a named schedule.

    It counts batches. `extend_with_lr_schedule` is the same function under a shorter name.

    The new class takes the arguments of the optimizer, and by name:

        lr_schedule: {batch: factor}. {1000: 1, 2000: 0.1} is a warm-up from 0 and then a decay to a tenth; the last
            factor stays. Or what `warmup_linear`, `warmup_cosine`, `warmup_polynomial`, `warmup_inverse_sqrt` or
            `warmup_constant` returns.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_piecewise_linear_lr(Adam, "AdamLR")(1e-4, lr_schedule={1000: 1, 2000: 0.1})
    """
    return extend(BaseOptimizer, "extend_with_piecewise_linear_lr", name)


def extend_with_gradient_accumulation(BaseOptimizer: type, name: str | None = None) -> Any:
    """Make one update from the mean gradient of several batches. Nothing moves between.

    The new class takes the arguments of the optimizer, and by name:

        grad_accum_steps: int. The number of batches for one update; 2 by default.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_gradient_accumulation(Adam, "AdamGA")(1e-4, grad_accum_steps=16)
    """
    return extend(BaseOptimizer, "extend_with_gradient_accumulation", name)


def extend_with_lookahead(BaseOptimizer: type, name: str | None = None) -> Any:
    """After every few updates, go back a part of the way to where the last slow update was.

    The new class takes the arguments of the optimizer, and by name:

        steps_per_slow_update: int. The number of updates from one slow update to the next; 5 by default.
        slow_step_size: float. The part of the way that a slow update keeps; 0.5 by default.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_lookahead(Adam, "AdamLookahead")(1e-4, steps_per_slow_update=5, slow_step_size=0.5)

    Reference: Zhang et al., Lookahead Optimizer: k steps forward, 1 step back, https://arxiv.org/abs/1907.08610
    """
    return extend(BaseOptimizer, "extend_with_lookahead", name)


def extend_with_lazy_optimization(BaseOptimizer: type, name: str | None = None) -> Any:
    """Leave the rows of an embedding whose gradient is 0 as they are. Their moments decay all the same.

    The new class takes the arguments of the optimizer, and by name:

        include_in_lazy_optimization: list of str. Regular expressions; the variables whose path has one of them.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_lazy_optimization(Adam, "Lazy")(include_in_lazy_optimization=["Embedding-Token"])
    """
    return extend(BaseOptimizer, "extend_with_lazy_optimization", name)


def extend_with_exponential_moving_average(BaseOptimizer: type, name: str | None = None) -> Any:
    """Keep exponential moving averages of the weights; training goes on with the weights themselves.

    The class has the methods `apply_ema_weights(bias_correction=True)`, which puts the averages into the model, and
    `reset_old_weights()`, which takes them out again.

    The new class takes the arguments of the optimizer, and by name:

        ema_momentum: float. The decay of the averages, per update; 0.999 by default.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_exponential_moving_average(Adam, "AdamEMA")(1e-5, ema_momentum=0.9999)
    """
    return extend(BaseOptimizer, "extend_with_exponential_moving_average", name)


def extend_with_parameter_wise_lr(BaseOptimizer: type, name: str | None = None) -> Any:
    """Use other learning rates for some variables.

    The new class takes the arguments of the optimizer, and by name:

        paramwise_lr_schedule: {text: factor}. The step of a variable is multiplied by the factors of all texts that its
            path contains. A text is no regular expression, and 'Transformer-1' is in 'Transformer-10' too.

    Arguments:
        BaseOptimizer: class. An optimizer of ours or of this Keras, extended or not.
        name: str, or None. The name of the class, under which models are saved; None puts it together from both.

    Returns:
        class, a subclass of BaseOptimizer.

    Raises:
        TypeError: it is no class of an optimizer, or has the extension already.

    Example:
        >>> optimizer = extend_with_parameter_wise_lr(Adam, "AdamPW")(1e-4, paramwise_lr_schedule={"Embedding": 0.1})
    """
    return extend(BaseOptimizer, "extend_with_parameter_wise_lr", name)
