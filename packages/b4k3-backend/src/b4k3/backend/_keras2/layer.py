"""The base of our layers on Keras 2: what Keras 3's Layer offers and older ones lack."""

from __future__ import annotations

import tensorflow as tf

from .._runtime import major_minor
from .._serialization import make_register
from .flavour import is_standalone, keras, registry
from .sessions import session_of

register = make_register(registry)

TF1 = major_minor(tf.__version__) < (2, 0)


class Layer(keras.layers.Layer):
    """Base of every b4k3 layer: supports masks, and leaves its inputs alone where they are ids.

    A subclass that reads ids sets `reads_ids = True`: Keras would otherwise cast them to the compute dtype of a mixed
    policy first, and bfloat16 cannot tell 257 from 256.
    """

    reads_ids = False

    def __init__(self, **kwargs):
        if TF1 and not is_standalone:
            # tf.keras 1.15 would take the dtype of the first input, int32 where ids are integers.
            kwargs.setdefault("dtype", keras.backend.floatx())
        super().__init__(**kwargs)
        self.supports_masking = True
        if self.reads_ids:
            self._autocast = False

    if not is_standalone:

        def __call__(self, *args, **kwargs):
            # `call` is written in ops, as on Keras 3: to look for control flow in it takes longer than to run it.
            return tf.autograph.experimental.do_not_convert(super().__call__)(*args, **kwargs)

    @property
    def sublayer_dtype(self):
        """The dtype policy for layers that this one owns, or their dtype where there are no policies."""
        return self.dtype if TF1 or is_standalone else getattr(self, "dtype_policy", None) or self._dtype_policy

    if not hasattr(keras.layers.Layer, "compute_dtype"):

        @property
        def compute_dtype(self):
            """Name of the dtype that the layer computes in."""
            return getattr(self, "_compute_dtype", None) or self.dtype or keras.backend.floatx()

    if is_standalone:

        @property
        def uses_learning_phase(self):
            """keras 2.3 feeds the learning phase only to models whose layers say that they read it: those that own a
            Dropout do."""
            return any(
                getattr(layer, "uses_learning_phase", False) or getattr(layer, "rate", 0)
                for layer in getattr(self, "_layers", ())
            )


def build_sublayer(layer, input_shape):
    """Build a layer that another one owns. Call it in the owner's `build`.

    Keras 2 names the weights right ('owner/sublayer/kernel') only when the first call builds them, so nothing is done
    here.

    Arguments:
        layer: the sublayer, an attribute of its owner.
        input_shape: the shape that it will be called on.
    """


def assign_weights(pairs):
    """Set variables from arrays.

    Arguments:
        pairs: iterable of (variable, array of the same shape); the array is cast to the variable's dtype.
    """
    batch, feed = [], {}
    in_graph = TF1 and not tf.executing_eagerly()
    for variable, value in pairs:
        dtype = tf.as_dtype(variable.dtype).base_dtype
        value = value.astype(dtype.as_numpy_dtype, copy=False)
        if in_graph:
            # In place of its first value, so that the graph grows by nothing and no value is made to be overwritten.
            variable._keras_initialized = True  # or Keras would make it, in get_session
            feed[variable.initializer.inputs[1]] = value
            batch.append(variable.initializer)
        elif dtype == tf.bfloat16:  # numpy does not know the name that K.batch_set_value would cast to
            variable.assign(value)
        else:
            batch.append((variable, value))
    if in_graph:
        if batch:
            session_of(batch[0].graph).run(batch, feed)
    else:
        keras.backend.batch_set_value(batch)


def weight_path(weight):
    """The name of a weight with that of its layers, 'Transformer-0-FeedForward/intermediate/kernel' for instance."""
    return weight.name.split(":")[0]
