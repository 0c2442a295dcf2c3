"""keras.ops over TensorFlow 1.15 and later, for the Keras 2 rows.

Names, arguments and meaning are those of keras.ops in Keras 3.5; its documentation holds here. Python numbers take the
dtype of the tensors they meet, and integers become floats where keras.ops makes them floats. Everything works eagerly,
in a tf.function and in a TF 1 graph, with sizes known and unknown.
"""

from __future__ import annotations

from .array import *  # noqa: F403
from .core import *  # noqa: F403
from .math import *  # noqa: F403
from .nn import *  # noqa: F403
