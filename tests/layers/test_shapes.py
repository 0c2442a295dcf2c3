"""integerize_shape: what a layer of a script gets to see in its `build`."""

import numpy as np
import pytest

from b4k3.backend import Layer, keras
from b4k3.layers import integerize_shape


class Scale(Layer):
    @integerize_shape
    def build(self, input_shape):
        """The docstring."""
        self.seen = input_shape
        units = input_shape[-1] if not isinstance(input_shape[0], tuple) else input_shape[0][-1]
        self.scale = self.add_weight(name="scale", shape=(units * 2,), initializer="ones")
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


class Dimension:
    """A size as TensorFlow 1 has it."""

    def __init__(self, value):
        self.value = value


class TensorShape:
    def as_list(self):
        return [None, 3]


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((None, 3), (None, 3)),
        ([None, Dimension(3)], [None, 3]),
        ((Dimension(None), Dimension(3)), (None, 3)),
        (TensorShape(), (None, 3)),
        ([TensorShape(), (2, Dimension(4))], [(None, 3), (2, 4)]),
        ({"a": TensorShape()}, {"a": (None, 3)}),
    ],
    ids=str,
)
def test_shapes(shape, expected):
    class Build:
        @integerize_shape
        def build(self, input_shape):
            return input_shape

    assert Build().build(shape) == expected


def test_in_a_model():
    one, two = Scale(name="one"), Scale(name="two")
    a, b = keras.Input((None, 3)), keras.Input((4,))
    one(a)
    two([a, b])
    assert tuple(one.seen) == (None, None, 3) and all(n is None or type(n) is int for n in one.seen)
    assert [tuple(shape) for shape in two.seen] == [(None, None, 3), (None, 4)]
    assert np.asarray(one.get_weights()).shape == (1, 6)
    assert Scale.build.__doc__ == "The docstring."
