"""Every layer of Keras 3 by name, for type checkers: at run time `b4k3.layers` asks the Keras in use."""

from keras.layers import *  # noqa: F403
