"""The base of our layers on Keras 2. It adds what the Layer of Keras 3 has and older ones lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

import tensorflow as tf

from .._runtime import major_minor
from .._serialization import make_register
from .flavour import is_standalone, keras, registry
from .replaying import current_replay
from .sessions import session_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

TF1 = major_minor(tf.__version__) < (2, 0)

# The modules whose names a Keras takes for its own when it loads a model.
OWN_NAMES = (keras.layers, keras.activations, keras.losses, keras.metrics, keras.optimizers)


def register_by_name(package: str, name: str) -> Callable[[Any], Any]:
    """Return a decorator that lets a Keras without a registry (keras 2.3, tf.keras 1.15) find a class or function.

    Such a Keras saves the name alone, and makes its own object where it has one of that name. So what is called as one
    of Keras' is renamed: `Embedding` is saved as `B4k3Embedding`.

    Arguments:
        package: str. The prefix of names in newer Keras; it is not used.
        name: str. The name of the object.

    Returns:
        The decorator.
    """

    def decorate(obj: Any) -> Any:
        """Enter the object in the table of Keras, and return it."""
        if any(hasattr(module, name) for module in OWN_NAMES):
            if not isinstance(obj, type):
                return obj  # a function that Keras has under the same name, such as an activation
            obj.__name__ = f"B4k3{name}"
        keras.utils.get_custom_objects()[obj.__name__ if isinstance(obj, type) else name] = obj
        return obj

    return decorate


register = make_register(registry or register_by_name)


class Layer(keras.layers.Layer):
    """Base of every b4k3 layer. It supports masks, and it does not cast inputs that are ids.

    A subclass that reads ids sets `reads_ids = True`. Otherwise Keras would cast them to the compute dtype of a mixed
    policy first, and bfloat16 has no 257, only 256 and 258.

    The mask of the inputs goes in and comes out unchanged, unless a subclass says otherwise.

    Arguments:
        kwargs: the arguments of `keras.layers.Layer`.

    Example:
        >>> class Scale(Layer):
        ...     def call(self, inputs):
        ...         return inputs * 2.0
        >>> y = Scale()(ops.ones((2, 4)))  # [2, 4]
    """

    reads_ids = False
    matrix_axes: Mapping[str, tuple[int, ...]] = {}  # read on Keras 3 alone, where a model can be quantised
    float_matrices: tuple[str, ...] = ()
    quantization_mode = None

    def __init__(self, **kwargs: Any) -> None:
        if TF1 and not is_standalone:
            # tf.keras 1.15 would take the dtype of the first input, int32 where ids are integers.
            kwargs.setdefault("dtype", keras.backend.floatx())
        super().__init__(**kwargs)
        self.supports_masking = True
        if self.reads_ids:
            self._autocast = False

    if not is_standalone:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            # `call` is written in ops, so autograph would search it for control flow in vain, longer than it runs.
            return tf.autograph.experimental.do_not_convert(super().__call__)(*args, **kwargs)

    @property
    def sublayer_dtype(self) -> Any:
        """The dtype policy for the layers that this layer owns, or their dtype if this Keras has no policies."""
        return self.dtype if TF1 or is_standalone else getattr(self, "dtype_policy", None) or self._dtype_policy

    def add_matrix(self, attribute: str, shape: Sequence[int], name: str | None = None, **kwargs: Any) -> None:
        """Make a matrix. On Keras 3 `quantize` can turn it into integers.

        Arguments:
            attribute: str. The attribute that gets the variable.
            shape: tuple of int. The shape of the matrix.
            name: str, or None. The name of the weight; None is the attribute.
            kwargs: the other arguments of `keras.layers.Layer.add_weight`.
        """
        setattr(self, attribute, self.add_weight(name=name or attribute, shape=tuple(shape), **kwargs))

    def matrix(self, attribute: str) -> Any:
        """Return what a layer computes with in the place of a matrix: on Keras 2 always the variable.

        Arguments:
            attribute: str. The attribute of a matrix that `add_matrix` has made.

        Returns:
            The variable.
        """
        return getattr(self, attribute)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add a term to the loss of the model; while a graph is replayed, to the loss of the replay.

        Eager Keras forgets the terms of a call when the next one begins, so that nothing is to be done there.

        Arguments:
            losses: tensor or function, or a list of them. As for `keras.layers.Layer.add_loss`.
            inputs: tensor, list of tensors, or None. What the loss depends on.
        """
        replay = current_replay() if TF1 or is_standalone else None
        if replay is None:
            super().add_loss(losses, inputs=inputs)
        else:
            replay.losses += losses if isinstance(losses, list) else [losses]

    if not hasattr(keras.layers.Layer, "compute_dtype"):

        @property
        def compute_dtype(self) -> str:
            """The name of the dtype that the layer computes in."""
            return getattr(self, "_compute_dtype", None) or self.dtype or keras.backend.floatx()

    if is_standalone:

        @property
        def uses_learning_phase(self) -> bool:
            """True if this layer owns a Dropout. Only then does keras 2.3 feed the learning phase to its model."""
            return any(
                getattr(layer, "uses_learning_phase", False) or getattr(layer, "rate", 0)
                for layer in getattr(self, "_layers", ())
            )


def build_sublayer(layer: Any, input_shape: Sequence[int | None]) -> None:
    """Build a layer that another layer owns. The owner's `build` calls this function.

    Nothing is done here. Keras 2 gives the weights their right names ('owner/sublayer/kernel') only if the first call
    builds them.

    Arguments:
        layer: Keras layer. It is an attribute of its owner.
        input_shape: tuple of int and None. The shape of the inputs that the layer will be called on.
    """


def assign_weights(pairs: Iterable[tuple[Any, NDArray[Any]]]) -> None:
    """Set variables from arrays.

    Arguments:
        pairs: iterable of (variable, array). The array has the shape of the variable and is cast to its dtype.
    """
    batch, feed = [], {}
    in_graph = TF1 and not tf.executing_eagerly()
    for variable, value in pairs:
        dtype = tf.as_dtype(variable.dtype).base_dtype
        value = value.astype(dtype.as_numpy_dtype, copy=False)
        if in_graph:
            # The array replaces the initial value, so that the graph does not grow and no initial value is computed.
            variable._keras_initialized = True  # otherwise get_session of Keras would initialise it
            feed[variable.initializer.inputs[1]] = value
            batch.append(variable.initializer)
        elif dtype == tf.bfloat16:  # K.batch_set_value casts by numpy, which has no bfloat16
            variable.assign(value)
        else:
            batch.append((variable, value))
    if in_graph:
        if batch:
            session_of(batch[0].graph).run(batch, feed)
    else:
        keras.backend.batch_set_value(batch)


def weight_path(weight: Any) -> str:
    """Return the name of a weight with the names of the layers that own it.

    Arguments:
        weight: variable of Keras.

    Returns:
        str, such as 'Transformer-0-FeedForward/intermediate/kernel'.
    """
    return weight.name.split(":")[0]
