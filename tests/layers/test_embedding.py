"""Embedding: rows by ids, the tied projection, its mask. TaskEmbedding."""

import threading

import numpy as np
import pytest

from b4k3.backend import call_layer, compiled, keras, ops, row, runs_eagerly as CALLS_EAGERLY
from b4k3.layers import Embedding, TaskEmbedding
from support.harness import evaluate, runs_eagerly, sees_values
from support.layer_checks import as_list, check_ids, check_layer, known_objects, randomize, same, static_shape


def ids(rng, batch, n):
    x = rng.randint(0, 11, size=(batch, n)).astype("float32")
    x[:, 0] = 0  # T5 starts with id 0
    x[:, -1] = 0
    return [x]


def rows(weights, arrays, masks):
    return weights["embeddings"][arrays[0].astype(int)]


def real(arrays, masks):
    mask = arrays[0] != 0
    mask[:, 0] = True
    return mask


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_lookup(mask_zero, dtype, tmp_path):
    check_layer(
        lambda: Embedding(11, 4, mask_zero=mask_zero, name="layer"),
        lambda rng, batch, n: [x.astype(dtype) for x in ids(rng, batch, n)],
        rows,
        weights=["embeddings"],
        mask_out=real if mask_zero else None,
        tmp=tmp_path,
    )


@pytest.mark.parametrize("dtype, mask_first", [("float32", False), ("int32", False), ("float32", True)])
def test_another_padding_id(dtype, mask_first, tmp_path):
    def with_padding(rng, batch, n):
        x = rng.randint(0, 11, size=(batch, n)).astype(dtype)
        x[0, 0] = x[:, -1] = 3
        x[:, 1] = 0
        return [x]

    def mask_out(arrays, masks):
        mask = arrays[0] != 3
        assert not mask[0, 0]
        mask[:, 0] |= not mask_first
        assert mask[:, 1].all() and not mask[:, -1].any()
        return mask

    check_layer(
        lambda: Embedding(11, 4, mask_zero=True, padding_id=3, mask_first=mask_first, name="layer"),
        with_padding,
        rows,
        weights=["embeddings"],
        mask_out=mask_out,
        only_outputs=mask_first,
        tmp=tmp_path,
    )


def test_a_config_from_before_padding_id():
    config = Embedding(11, 4, mask_zero=True, padding_id=3).get_config()
    assert config.pop("padding_id") == 3
    with known_objects():
        assert Embedding.from_config(config).padding_id == 0


def test_ids_of_three_axes_keep_the_mask_of_the_input(tmp_path):
    check_layer(
        lambda: Embedding(11, 4, mask_zero=True, name="layer"),
        lambda rng, batch, n: [rng.randint(0, 11, size=(batch, n, 3)).astype("float32")],
        rows,
        weights=["embeddings"],
        masked=(0,),
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("masked", [(), (0,)])
def test_dense_mode_alone(masked, tmp_path):
    check_layer(
        lambda: Embedding(11, 4, mask_zero=True, name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        lambda w, x, m: x[0] @ w["embeddings"].T,
        weights=["embeddings"],
        masked=masked,
        mask_out=lambda x, m: m[0],
        connect=lambda layer, tensors: layer(tensors[0], mode="dense"),
        tmp=tmp_path,
    )


def tied(layer, tensors):
    x = layer(tensors[0])
    return [x, layer(x, mode="dense")]


def test_tied(tmp_path):
    check_layer(
        lambda: Embedding(11, 4, mask_zero=True, name="layer"),
        ids,
        lambda w, x, m: [rows(w, x, m), rows(w, x, m) @ w["embeddings"].T],
        weights=["embeddings"],
        mask_out=lambda x, m: [real(x, m)] * 2,
        connect=tied,
        tmp=tmp_path,
    )


def test_tied_model_inside_another_of_known_length():
    """Keras 2.3 asks a nested model for its shapes without calling the layers."""
    layer = Embedding(11, 4, name="layer")
    ids_in = keras.Input((None,))
    inner = keras.Model(ids_in, tied(layer, [ids_in]))
    outer_in = keras.Input((5,))
    outputs = as_list(inner(outer_in))
    assert [static_shape(x)[1:] for x in outputs] == [(5, 4), (5, 11)]
    outer = keras.Model(outer_in, outputs)
    rng = np.random.RandomState(0)
    values = randomize(layer, rng)
    arrays = ids(rng, 2, 5)
    expected = rows(values, arrays, None)
    same(outer.predict_on_batch(arrays), [expected, expected @ values["embeddings"].T], 1e-5)
    with known_objects():
        copy = keras.Model.from_config(outer.get_config())
    copy.set_weights(outer.get_weights())
    same(copy.predict_on_batch(arrays), [expected, expected @ values["embeddings"].T], 1e-5)


def test_dense_of_a_vector_and_of_more_axes():
    layer = Embedding(11, 4, name="layer")
    vector, cube = keras.Input((4,)), keras.Input((None, 3, 4))
    outputs = [layer(vector, mode="dense"), layer(cube, mode="dense")]
    assert [static_shape(x) for x in outputs] == [(None, 11), (None, None, 3, 11)]
    model = keras.Model([vector, cube], outputs)
    rng = np.random.RandomState(0)
    table = randomize(layer, rng)["embeddings"]
    arrays = [rng.randn(2, 4).astype("float32"), rng.randn(2, 5, 3, 4).astype("float32")]
    same(model.predict_on_batch(arrays), [a @ table.T for a in arrays], 1e-5)


def test_nothing_of_a_call_is_kept():
    layer = Embedding(11, 4, mask_zero=True, name="layer")
    ids_in = keras.Input((None,))
    layer(layer(ids_in), mode="dense")
    assert layer.compute_mask(ids_in) is not None
    assert tuple(layer.compute_output_shape((None, 5))) == (None, 5, 4)
    assert tuple(layer.compute_output_shape((None, 5, 4))) == (None, 5, 11)


class Disturbed(Embedding):
    """Calls `meanwhile`, if that is set, between `call` and `compute_mask`, in a thread of its own."""

    meanwhile = None

    def call(self, inputs, mode="embedding"):
        result = super().call(inputs, mode=mode)
        function, self.meanwhile = self.meanwhile, None
        if function:
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
        return result

    def compute_mask(self, inputs, mask=None):
        self.found = super().compute_mask(inputs, mask)
        return self.found


@pytest.mark.parametrize("mode", ["embedding", "dense"])
def test_another_thread_that_calls_the_layer_changes_no_mask(mode):
    layer = Disturbed(11, 4, mask_zero=True, name="layer")
    ids = np.array([[1, 2, 3, 0]], "float32")  # as many as a row has features: only the mode tells them from features
    symbolic = not row.is_keras3 and not runs_eagerly()
    x = keras.Input((4,)) if symbolic else ops.convert_to_tensor(ids)
    layer(x)
    other = {"embedding": "dense", "dense": "embedding"}[mode]

    done = []

    def meanwhile():
        if symbolic:  # keras 2.3 cannot call a layer from another thread
            with x.graph.as_default():
                layer.call(x, mode=other)
        else:
            layer(x, mode=other)
        done.append(other)

    layer.meanwhile = meanwhile
    layer(x, mode=mode)
    assert done == [other] and (layer.found is None) == (mode == "dense")


def test_the_tied_table_learns_from_both_uses():
    """One step of gradient descent against the derivative written out."""
    layer = Embedding(5, 3, name="layer")
    ids_in = keras.Input((None,))
    model = keras.Model(ids_in, layer(layer(ids_in), mode="dense"))
    table = randomize(layer, np.random.RandomState(0))["embeddings"]
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    x = np.array([[1, 2, 2]], "float32")
    y = np.zeros((1, 3, 5), "float32")
    model.train_on_batch(x, y)
    hidden = table[x.astype(int)]
    error = 2 * (hidden @ table.T - y) / y.size  # [1, 3, 5]
    gradient = np.einsum("bnv,bnd->vd", error, hidden)
    np.add.at(gradient, x.astype(int), error @ table)
    np.testing.assert_allclose(layer.get_weights()[0], table - gradient, atol=1e-6)


def test_unknown_mode():
    layer = Embedding(5, 3, name="layer")
    with pytest.raises(ValueError, match="mode='tied', expected 'embedding' or 'dense'"):
        layer(keras.Input((None,)), mode="tied")


def test_regularizer_and_constraint_are_kept():
    layer = Embedding(5, 3, embeddings_regularizer="l2", embeddings_constraint="non_neg", name="layer")
    with known_objects():
        copy = Embedding.from_config(layer.get_config())
    assert type(copy.embeddings_regularizer) is type(layer.embeddings_regularizer)
    assert type(copy.embeddings_constraint) is type(layer.embeddings_constraint)
    x = keras.Input((None,))
    model = keras.Model(x, copy(x))
    assert len(model.losses) == 1


def with_tasks(rng, batch, n):
    return [rng.randn(batch, n, 4).astype("float32"), rng.randint(0, 3, size=(batch, n)).astype("float32")]


@pytest.mark.parametrize("masked", [(), (0,)])
def test_the_task_of_every_sequence(masked, tmp_path):
    check_layer(
        lambda: TaskEmbedding(3, 4, task_id=2, embeddings_initializer="ones", name="layer"),
        lambda rng, batch, n: with_tasks(rng, batch, n)[:1],
        lambda w, x, m: x[0] + w["embeddings"][2],
        weights=["embeddings"],
        masked=masked,
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("masked", [(), (0,), (1,)])
def test_tasks_as_an_input(masked, tmp_path):
    check_layer(
        lambda: TaskEmbedding(3, 4, custom_task_ids=True, embeddings_initializer="ones", name="layer"),
        with_tasks,
        lambda w, x, m: x[0] + w["embeddings"][x[1].astype(int)],
        weights=["embeddings"],
        masked=masked,
        mask_out=lambda x, m: m[0],
        tmp=tmp_path,
    )


@pytest.mark.parametrize("task_id", [-1, 3])
def test_a_task_that_is_not_there(task_id):
    with pytest.raises(ValueError, match="the tasks 0 to 2"):
        TaskEmbedding(3, 4, task_id=task_id)


# --------------------------------------------------------------------------------------------- ids without a row


def test_ids_without_a_row():
    check_ids(lambda: Embedding(11, 4, mask_zero=True, name="layer"), lambda ids: [ids], 11)


def test_tasks_without_a_row():
    check_ids(
        lambda: TaskEmbedding(3, 4, embeddings_initializer="uniform", custom_task_ids=True, name="layer"),
        lambda ids: [np.ones(ids.shape + (4,), "float32"), ids],
        3,
    )


@pytest.mark.parametrize("padding_id", [-1, -100])
def test_padding_outside_of_the_table(padding_id):
    """It has zeros, whatever its neighbours are, and is masked; without mask_zero it is an id like others."""
    ids = np.array([[3, padding_id, 0, padding_id], [padding_id, 2, 10, 1]], "float32")
    layer = Embedding(11, 4, mask_zero=True, padding_id=padding_id, name="layer")
    x = keras.Input((None,))
    got = np.asarray(keras.models.Model(x, layer(x)).predict_on_batch(ids))
    real = ids != padding_id
    np.testing.assert_allclose(got[real], layer.get_weights()[0][ids[real].astype(int)], rtol=1e-6)
    assert (got[~real] == 0).all()
    if sees_values():
        mask = evaluate(layer.compute_mask(ids))
        assert mask.tolist() == (real | (np.arange(4) == 0)).tolist()
        with pytest.raises(ValueError, match=rf"layer.*id {padding_id} at \[0, 1\]"):
            Embedding(11, 4, name="layer")(ids)


def test_a_bound_embedding_answers_as_its_call():
    layer = Embedding(11, 4, name="layer")
    layer.build((None, None))
    randomize(layer, np.random.RandomState(1))

    def both_ways(x):
        rows = call_layer(layer, x)
        scores = [call_layer(layer, rows, mode="dense"), layer(rows, mode="dense")]
        return [rows, layer(x)] + scores

    function = compiled(both_ways, getattr(layer, "variables", layer.weights))
    x = np.array([[3, 0, 10]], "int32")
    rows, called, scores, wanted = map(evaluate, function(ops.convert_to_tensor(x) if CALLS_EAGERLY else x))
    np.testing.assert_allclose(rows, called, rtol=1e-6)
    np.testing.assert_allclose(scores, wanted, rtol=1e-6)
