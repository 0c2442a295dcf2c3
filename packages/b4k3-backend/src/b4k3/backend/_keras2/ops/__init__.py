"""keras.ops over TensorFlow 1.15 and later, for Keras 2.

Names, arguments and meaning are the same as in keras.ops of Keras 3.5, whose documentation holds here. An operand may
be a tensor, a variable, an array or a number. Python numbers take the dtype of the tensors they meet, and integers
become floats where keras.ops makes them floats. Everything works eagerly, in a tf.function and in a graph of
TensorFlow 1, with sizes known and unknown.
"""

from __future__ import annotations

from .array import *  # noqa: F403
from .core import *  # noqa: F403
from .math import *  # noqa: F403
from .nn import *  # noqa: F403
