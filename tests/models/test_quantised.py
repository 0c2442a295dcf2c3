"""`model.quantize` of Keras on our models: the share of integers, what they compute, files, and what is refused."""

import gc

import numpy as np
import pytest

from b4k3.backend import BackendError, Layer, dense_kernel, keras, ops, quantised_layers
from b4k3.models import ConfigError, Predictor, build_transformer_model
from b4k3.models.checkpoints import CheckpointError
from support import goldens
from support.harness import as_list, evaluate, unwrapped
from support.small_models import SMALL, spread

FOLDERS = goldens.ROOT / "huggingface"
TWINS = ("camembert", "uie", "xlm_roberta", "electra_generator", "megatron_bert", "qwen2", "mistral", "deberta_v3")
NETWORKS = [path.name for path in sorted(FOLDERS.iterdir()) if path.is_dir() and path.name not in TWINS]
NETWORKS += ["gau_alpha", "roformer_v2", "gpt2_ml"]
# A table that is computed again with each load, one that no layer looks up, a product, dropout beside matrices.
KINDS = ["deberta_v2", "t5", "nezha", "xlnet"]


@pytest.fixture(autouse=True)
def quick_garbage():
    """Keras looks for garbage after each matrix, in all that other tests left: let it look at new objects alone."""
    gc.freeze()
    yield
    gc.unfreeze()
    goldens.forget()


def built(name, **kwargs):
    if (FOLDERS / name).exists():
        return build_transformer_model(str(FOLDERS / name), return_keras_model=False, **kwargs)
    return goldens.build(goldens.first_case(name), **kwargs)


def feed(model):
    random = np.random.RandomState(0)
    kinds = [0 if "Segment" in x.name else 1 for x in model.inputs]
    return [kind * random.randint(3, 20, (3, 7)) for kind in kinds]


def answers(model):
    return [evaluate(x) for x in as_list(model(unwrapped(feed(model))))]


def cosine(a, b):
    a, b = (x.reshape(-1, x.shape[-1]).astype("float64") for x in (a, b))
    return np.mean((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1))


def share_of_integers(model):
    """Of the numbers in weights with two axes and more."""
    sizes = {True: 0, False: 0}
    for weight in model.weights:
        if len(weight.shape) > 1 and not weight.path.endswith("_scale"):
            is_integer = "int8" in str(weight.dtype)
            packed = is_integer and any(q.quantization_mode == "int4" for q in quantised_layers(model))
            sizes[is_integer] += int(np.prod(weight.shape)) * (2 if packed else 1)
    return sizes[True] / sum(sizes.values())


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("name", NETWORKS)
def test_nearly_all_matrices_become_integers(name, mode):
    model = built(name).model
    before = sum(int(np.prod(weight.shape)) for weight in model.weights if len(weight.shape) > 1)
    model.quantize(mode)
    assert share_of_integers(model) >= 0.95
    floats = [weight for weight in model.weights if len(weight.shape) > 1 and "int8" not in str(weight.dtype)]
    assert sum(int(np.prod(weight.shape)) for weight in floats) < 0.2 * before  # with the scales of tiny matrices


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_quantised_model_answers_nearly_the_same_and_is_saved(mode, name, tmp_path):
    model = built(name, **({"attention_probs_dropout_prob": 0.1} if name == "xlnet" else {})).model
    before = answers(model)
    model.quantize(mode)
    after = answers(model)
    for a, b in zip(before, after):
        assert cosine(a, b) > (0.995 if mode == "int8" else 0.9)
    model.save(str(tmp_path / "model.keras"))
    model.save_weights(str(tmp_path / "model.weights.h5"))
    loaded = keras.models.load_model(str(tmp_path / "model.keras"))
    assert share_of_integers(loaded) == share_of_integers(model)
    assert [str(w.dtype) for w in loaded.weights] == [str(w.dtype) for w in model.weights]
    for a, b in zip(after, answers(loaded)):
        np.testing.assert_array_equal(a, b)
    loaded.save(str(tmp_path / "again.keras"))
    again = keras.models.load_model(str(tmp_path / "again.keras"))
    again.set_weights([np.zeros_like(value) for value in again.get_weights()])
    again.load_weights(str(tmp_path / "model.weights.h5"))
    for a, b in zip(after, answers(again)):
        np.testing.assert_array_equal(a, b)


def test_a_configuration_is_saved_with_its_owner(tmp_path):
    """Without a quantiser of activations the products are those of the rounded weights."""
    model = built("bert").model
    model.quantize(config=keras.quantizers.Int8QuantizationConfig(activation_quantizer=None))
    after = answers(model)
    model.save(str(tmp_path / "model.keras"))
    for a, b in zip(after, answers(keras.models.load_model(str(tmp_path / "model.keras")))):
        np.testing.assert_array_equal(a, b)


def test_float8_is_for_dense_layers(tmp_path):
    model = built("bert").model
    with pytest.warns(UserWarning, match="Embedding-Token stays as it is"):
        model.quantize("float8")
    modes = {layer.name: layer.quantization_mode for layer in quantised_layers(model)}
    assert set(modes.values()) == {"float8"} and "query" in modes and "Embedding-Token" not in modes
    after = answers(model)
    model.save(str(tmp_path / "model.keras"))
    for a, b in zip(after, answers(keras.models.load_model(str(tmp_path / "model.keras")))):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="use 'int8' or 'int4'"):
        built("xlnet").model.quantize("float8")


def test_what_is_compiled_before_is_not_used_afterwards():
    """Predictor and fit, before and after; biases and norms are still trained, integers are not."""
    transformer = spread(
        build_transformer_model(dict(SMALL, num_hidden_layers=1), model="bert", with_nsp=True, return_keras_model=False)
    )
    model = transformer.model
    x = [np.random.RandomState(1).randint(1, 20, (4, 6)), np.zeros((4, 6), "int32")]
    y = np.array([0, 1, 0, 1])
    predictor = Predictor(model)
    before = predictor(x)
    model.quantize("int8")
    after = predictor(x)
    assert 0 < np.abs(after - before).max() < 0.1
    np.testing.assert_allclose(after, Predictor(model)(x), rtol=0, atol=1e-5)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")  # Keras asks for it: there are fewer weights
    weights = {w.path: evaluate(w) for w in model.weights}
    model.fit(x, y, verbose=0)
    changed = {w.path for w in model.weights if np.any(weights[w.path] != evaluate(w))}
    assert any(path.endswith("bias") for path in changed) and any(path.endswith("gamma") for path in changed)
    assert not [path for path in changed if path.endswith(("kernel", "embeddings", "_scale"))]


@pytest.mark.parametrize("name", ["llama", "gpt2_ml", "t5"])
def test_decoding_step_by_step_gives_the_tokens_of_the_whole_network(name):
    transformer = built(name, **({"with_lm": "softmax"} if name != "gpt2_ml" else {}))
    ids = np.random.RandomState(2).randint(4, 20, (1, 5))
    transformer.generate(ids, 4)
    transformer.model.quantize("int8")
    tokens = transformer.generate(ids, 4, end_id=None)
    first = [0] if name == "t5" else list(ids[0])
    sequence = np.array([first + tokens[0].tolist()])
    scores = evaluate(transformer.model([ids, sequence] if name == "t5" else sequence))[0, len(first) - 1 :]
    for token, row in zip(tokens[0], scores):
        assert row[token] >= row.max() * (1 - 1e-2)  # a near tie may be rounded to the other side


def test_files_of_floats_are_refused(tmp_path):
    transformer = built("bert")
    path = str(tmp_path / "bert_model.ckpt")
    transformer.save_weights_as_checkpoint(path)
    transformer.model.quantize("int4")
    with pytest.raises(CheckpointError, match="written needs float weights.*int4.*before model.quantize"):
        transformer.save_weights_as_checkpoint(path)
    with pytest.raises(CheckpointError, match="loaded needs float weights"):
        transformer.load_weights_from_checkpoint(path)
    with pytest.raises((CheckpointError, ConfigError), match="LoRA needs float weights"):
        transformer.enable_lora(rank=2)
    transformer.model.save_weights(str(tmp_path / "model.weights.h5"))
    with pytest.raises(ValueError):  # of Keras
        built("bert").model.load_weights(str(tmp_path / "model.weights.h5"))


class Product(Layer):
    """A layer of somebody else, with a matrix of which nobody knows what it is for."""

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 3))

    def call(self, inputs):
        return ops.matmul(inputs, self.kernel)


def test_what_would_stay_float_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Product(name="product")(inputs))
    with pytest.raises(ValueError, match="product has the matrix kernel.*add_matrix"):
        model.quantize("int8")
    model.quantize("int8", filters=lambda layer: layer.name != "product")
    config = keras.quantizers.GPTQConfig(dataset=["a"], tokenizer=None)
    with pytest.raises(ValueError, match="use 'int8'"):
        built("bert").model.quantize("gptq", config=config)


@pytest.mark.parametrize("mode, block", [("int8", None), ("int4", None), ("int4", 4)])
def test_a_quantised_head_gives_its_kernel_as_floats(mode, block):
    layer = keras.layers.Dense(6)
    layer.build((None, 8))
    config = None if mode == "int8" else keras.quantizers.Int4QuantizationConfig(block_size=block)
    layer.quantize(mode, config=config)
    np.testing.assert_allclose(evaluate(dense_kernel(layer)), evaluate(layer(np.eye(8))), rtol=0, atol=1e-6)


def test_an_older_keras_refuses():
    with pytest.raises(BackendError, match="Keras 3.15"):
        built("bert").model.quantize("int8")
