import collections

import numpy as np
import pytest

from b4k3.snippets import DataGenerator


class Lazy:
    """An iterable without a length."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return iter(self.data)


class Sums(DataGenerator):
    """Two inputs, and their sums as labels; with_labels=False trains by a loss inside the model."""

    with_labels = True

    def __iter__(self, random=False):
        rows = []
        for is_end, i in self.sample(random):
            rows.append([i, 2 * i])
            if len(rows) == self.batch_size or is_end:
                x = np.array(rows, dtype="float32")
                yield [x[:, :1], x[:, 1:]], x.sum(1, keepdims=True) if self.with_labels else None
                rows = []


@pytest.mark.parametrize("wrap", [list, Lazy])
@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("random", [False, True])
def test_each_sample_once_and_the_end_with_the_last(wrap, n, random):
    for buffer_size in (None, 1, 3):
        samples = list(DataGenerator(wrap(range(n)), 2, buffer_size).sample(random))
        assert [is_end for is_end, _ in samples] == [i == n - 1 for i in range(n)]
        values = [value for _, value in samples]
        assert sorted(values) == list(range(n)) and (random or values == list(range(n)))


@pytest.mark.parametrize("wrap", [list, Lazy])
def test_shuffling_shuffles(wrap):
    np.random.seed(0)
    generator = DataGenerator(wrap(range(4)), buffer_size=10)
    orders = collections.Counter(tuple(value for _, value in generator.sample(True)) for _ in range(2400))
    assert len(orders) == 24 and min(orders.values()) > 50  # 100 are expected of each


@pytest.mark.parametrize("n, steps", [(0, 0), (1, 1), (4, 2), (5, 3)])
def test_length(n, steps):
    assert len(DataGenerator(range(n), batch_size=2)) == steps
    with pytest.raises(TypeError, match="no length"):
        len(DataGenerator(Lazy([1])))


def test_without_batches():
    with pytest.raises(ValueError, match="Sums has no batches"):
        next(Sums([]).forfit())
    batches = Sums(iter(range(2)), batch_size=2).fortest()
    next(batches)
    with pytest.raises(ValueError, match="only once"):
        next(batches)
    with pytest.raises(NotImplementedError, match="__iter__"):
        next(DataGenerator([1]).forfit())


def sum_model():
    from b4k3.backend import keras

    inputs = [keras.layers.Input((1,)) for _ in range(2)]
    output = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Concatenate()(inputs))
    return keras, inputs, output


def test_predict_takes_fortest():
    keras, inputs, output = sum_model()
    model = keras.models.Model(inputs, output)
    model.set_weights([np.ones((2, 1)), np.zeros(1)])
    data = Sums(range(5), batch_size=2)
    np.testing.assert_allclose(model.predict(data.fortest(), steps=len(data))[:, 0], [0, 3, 6, 9, 12], rtol=1e-5)


def test_fit_takes_forfit():
    keras, inputs, output = sum_model()
    model = keras.models.Model(inputs, output)
    model.compile("sgd", "mse")
    data = Sums(np.arange(6) / 10.0, batch_size=4)
    history = model.fit(data.forfit(), steps_per_epoch=len(data), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_fit_takes_forfit_without_labels():
    from b4k3.backend import Layer

    class Squared(Layer):
        def call(self, x):
            from b4k3.backend import ops

            self.add_loss(ops.mean((x - 1) ** 2))
            return x

    keras, inputs, output = sum_model()
    model = keras.models.Model(inputs, Squared()(output))
    model.compile("sgd")
    data = Sums(np.arange(6) / 10.0, batch_size=4)
    data.with_labels = False
    history = model.fit(data.forfit(), steps_per_epoch=len(data), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


class Words(DataGenerator):
    """Single samples, as `to_dataset` takes them."""

    def __iter__(self, random=False):
        for _, word in self.sample(random):
            yield (list(range(len(word))), len(word)), len(word) % 2


def values(batch):
    """The arrays of a batch of a dataset, in graph mode too."""
    import tensorflow.compat.v1 as tf

    if tf.executing_eagerly():
        return tf.nest.map_structure(lambda x: x.numpy().tolist(), batch)
    with tf.Session() as session:
        return tf.nest.map_structure(lambda x: x.tolist(), session.run(batch))


def first_batch(dataset):
    import tensorflow.compat.v1 as tf

    iterator = iter(dataset) if tf.executing_eagerly() else tf.data.make_one_shot_iterator(dataset)
    return values(next(iterator) if tf.executing_eagerly() else iterator.get_next())


def test_dataset_of_padded_samples():
    dataset = Words(["abc", "a"], batch_size=4).to_dataset(
        types=(("int32", "int32"), "int32"),
        shapes=(([None], []), []),
        padded_batch=True,
    )
    (ids, n), odd = first_batch(dataset)
    assert sorted(n) == [1, 1, 3, 3] and odd == [1] * 4
    assert all(row == list(range(k)) + [0] * (3 - k) for row, k in zip(ids, n))


def test_dataset_of_named_samples():
    class Named(Words):
        def __iter__(self, random=False):
            for (_, n), odd in super().__iter__(random):
                yield (n, 2 * n), (odd,)

    names = (("n", "twice"), ("odd",))
    types, shapes = (("int32", "int32"), ("int32",)), (([], []), ([],))
    inputs, labels = first_batch(Named(["abc", "abcde"], batch_size=2).to_dataset(types, shapes, names))
    assert sorted(inputs["n"]) == [3, 5] and sorted(inputs["twice"]) == [6, 10] and labels == {"odd": [1, 1]}


def test_dataset_needs_tensorflow():
    with pytest.raises(ImportError, match="forfit"):
        Words(["abc"]).to_dataset("int32", [])
