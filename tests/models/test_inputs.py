"""What the Keras models of an architecture take: ids of any dtype, and mappings by the names that people know."""

import os
import warnings
from collections import UserDict

import numpy as np
import pytest

from b4k3.backend import Functional, custom_objects, environment, keras, ops
from b4k3.backend.named_inputs import _hidden_in_graph, hide
from b4k3.models import Predictor, build_transformer_model
from support.harness import call_with_unknown_sizes, sees_values, whole_model_suffix
from support.small_models import SMALL, close, spread

IDS = np.array([[5, 6, 7, 8], [9, 3, 2, 4]])
SEGMENTS = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
PADDED = np.array([[5, 6, 7, 0], [9, 3, 0, 0]])
NAMED = {
    "keras": {"Input-Token": IDS, "Input-Segment": SEGMENTS},
    "ours": {"segment_ids": SEGMENTS, "token_ids": IDS},
    "huggingface": {"token_type_ids": SEGMENTS, "input_ids": IDS, "attention_mask": np.ones_like(IDS)},
    "BatchEncoding": UserDict(input_ids=IDS.tolist(), token_type_ids=SEGMENTS, attention_mask=IDS > 0),
}


@pytest.fixture(scope="module")
def bert():
    config = dict(SMALL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return spread(build_transformer_model(config, model="bert", return_keras_model=False)).model


@pytest.fixture(scope="module")
def want(bert):
    return predicted(bert, [IDS, SEGMENTS])


def predicted(model, x):
    return np.asarray(model.predict(x, verbose=0))


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_ids_of_any_dtype(bert, want, dtype):
    x = [IDS.astype(dtype), SEGMENTS.astype(dtype)]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*int64.*")
        close(predicted(bert, x), want)
    if sees_values():
        close(np.asarray(ops.convert_to_numpy(bert(x))), want)


@pytest.mark.parametrize("x", NAMED.values(), ids=NAMED)
def test_names(bert, want, x):
    close(predicted(bert, x), want)
    close(np.asarray(bert.predict_on_batch(x)), want)
    close(Predictor(bert)(x), want)
    if sees_values():
        close(np.asarray(ops.convert_to_numpy(bert(x))), want)


def test_a_mask_makes_padding(bert):
    x = {"input_ids": IDS, "token_type_ids": SEGMENTS, "attention_mask": MASK}
    close(predicted(bert, x), predicted(bert, [PADDED, SEGMENTS]))


def test_training_and_evaluation(bert, want):
    model = keras.models.Model(bert.input, bert.output)
    weights = bert.get_weights()
    losses = []
    for trained, x in ((model, [PADDED, SEGMENTS]), (bert, dict(NAMED["huggingface"], attention_mask=MASK))):
        trained.set_weights(weights)
        trained.compile("sgd", "mse")
        y = np.zeros_like(want)
        evaluated = trained.evaluate(x, y, verbose=0)
        stepped = trained.train_on_batch(x, y)
        history = trained.fit(x, y, validation_data=(x, y), verbose=0).history
        losses.append([evaluated, stepped, *history["loss"], *history["val_loss"], trained.test_on_batch(x, y)])
    bert.set_weights(weights)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def batches(y):
    """Batches with mappings in them, as the framework in use has them."""
    x = {"input_ids": IDS, "token_type_ids": SEGMENTS, "attention_mask": MASK}
    if environment.backend == "torch":
        import torch

        rows = [({name: array[i] for name, array in x.items()}, y[i]) for i in range(2)]
        return torch.utils.data.DataLoader(rows, batch_size=2)
    if environment.backend == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((x, y)).batch(2)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return x, y

    return Batches()


def test_batches_from_a_loader(bert, want):
    weights = bert.get_weights()
    bert.compile("sgd", "mse")
    y = np.zeros_like(want)
    loss = bert.evaluate([PADDED, SEGMENTS], y, verbose=0)
    np.testing.assert_allclose(bert.evaluate(batches(y), verbose=0), loss, rtol=1e-4)
    np.testing.assert_allclose(bert.fit(batches(y), verbose=0).history["loss"], [loss], rtol=1e-4)
    bert.set_weights(weights)


REFUSED = {
    "labels": (dict(labels=IDS), "labels"),
    "first": (dict(attention_mask=1 - MASK), r"attention_mask at \[0, 0\] is 0, but the first token always counts"),
    "padding shown": (
        dict(input_ids=PADDED, attention_mask=IDS > 0),
        r"\[0, 3\] is 1, but the id there, 0",
    ),
    "no mask": (dict(attention_mask=MASK * 2), r"\[0, 0\] is 2, expected 1"),
    "shape": (dict(attention_mask=MASK[:, None]), r"shape \(2, 1, 4\), expected that of the ids, \(2, 4\)"),
    "rows": (dict(input_ids=[[1, 2], [3]]), "input_ids has rows of several lengths"),
}


@pytest.mark.parametrize("changes, message", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(bert, changes, message):
    with pytest.raises(ValueError, match=message):
        bert.predict(dict(NAMED["huggingface"], **changes), verbose=0)


@pytest.mark.parametrize("mask_first", [False, True])
@pytest.mark.parametrize("padding_id", [0, 3, -1])
def test_a_graph_gives_nan_where_values_are_refused(padding_id, mask_first):
    rng = np.random.RandomState(0)
    ids, mask = rng.randint(0, 5, (40, 3)), rng.choice([0, 0, 1, 1, 1, 2], (40, 3))
    got = call_with_unknown_sizes(lambda a, b: _hidden_in_graph(a, b, padding_id, mask_first), ids, mask)
    for i, row in enumerate(np.asarray(got)):
        try:
            np.testing.assert_array_equal(hide(ids[i : i + 1], mask[i : i + 1], padding_id, mask_first, "m")[0], row)
        except ValueError:
            assert np.isnan(row).any()


def test_an_encoder_and_a_decoder():
    config = dict(SMALL, hidden_act="relu")
    model = spread(build_transformer_model(config, model="t5.1.0", return_keras_model=False)).model
    x = {"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": IDS[:, :3]}
    with pytest.raises(ValueError, match=r"decoder_attention_mask at \[0, 0\] is 0"):
        model.predict(dict(x, decoder_attention_mask=MASK[:, :3] * 0), verbose=0)
    x["decoder_attention_mask"] = MASK[:, :3]
    close(predicted(model, x), predicted(model, [PADDED, PADDED[:, :3]]))


def test_scripts_see_what_they_saw(bert, tmp_path):
    plain = keras.models.Model(bert.input, bert.get_layer("Embedding-Norm").output)
    assert isinstance(bert, keras.Model) and isinstance(bert, type(plain)) and not isinstance(plain, Functional)
    assert type(bert).__name__ == type(plain).__name__
    assert [tensor.name.split(":")[0].split("_")[0] for tensor in bert.inputs] == ["Input-Token", "Input-Segment"]
    assert all("float32" in str(tensor.dtype) for tensor in bert.inputs)
    path = os.path.join(str(tmp_path), "model" + whole_model_suffix())
    bert.save(path)
    loaded = keras.models.load_model(path, custom_objects=custom_objects)
    close(predicted(loaded, [IDS, SEGMENTS]), predicted(bert, [IDS, SEGMENTS]))
    close(predicted(loaded, NAMED["keras"]), predicted(bert, NAMED["keras"]))
    assert isinstance(loaded, Functional) == (whole_model_suffix() == ".keras")
