"""What `build_transformer_model` refuses, and what it says."""

import ast
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from b4k3.backend import keras, row
from b4k3.models import BERT, GPT, ConfigError, Predictor, build_transformer_model, model_arguments
from b4k3.models.builder import APPLICATIONS, known_arguments, with_application
from b4k3.models.registry import architecture, networks
from b4k3.models.transformer import accepted_arguments
from support import goldens

FOLDER = goldens.ROOT / "google_bert"
CONFIG = str(FOLDER / "bert_config.json")
CHECKPOINT = str(FOLDER / "bert_model.ckpt")

REFUSED = [
    ({"with_mml": True}, "no argument 'with_mml' .did you mean 'with_mlm'.."),
    ({"models": "electra"}, "no argument 'models'"),
    ({"model": "brt"}, "model='brt' is not known. Did you mean 'bert'.*Known: .*roberta"),
    ({"application": "seq2seq"}, "application='seq2seq', expected one of 'encoder', 'lm', 'unilm'"),
    ({"hidden_size": 33}, "hidden_size=33 is no multiple of num_attention_heads=4"),
    ({"hidden_size": "32"}, "hidden_size='32', expected an int"),
    ({"vocab_size": -1}, "vocab_size=-1, expected an int from 1"),
    ({"vocab_size": 10**12}, "vocab_size=1000000000000"),
    ({"pad_token_id": -2}, "pad_token_id=-2, expected an int from -1"),
    ({"pad_token_id": 120}, "pad_token_id=120"),
    ({"pad_token_id": True}, "pad_token_id=True"),
    ({"pad_token_id": "0"}, "pad_token_id='0'"),
    ({"num_hidden_layers": None}, "lacks num_hidden_layers"),
    ({"dropout_rate": 1.5}, "dropout_rate=1.5, expected a number from 0 to below 1"),
    ({"keep_tokens": []}, r"keep_tokens=\[\] keeps no token"),
    ({"keep_tokens": [0, 120]}, r"keep_tokens\[1\] is 120"),
    ({"compound_tokens": [[]]}, r"compound_tokens\[0\] is \[\], which names no id"),
    ({"keep_tokens": [0, 7], "compound_tokens": [[2]]}, r"compound_tokens\[0\]\[0\] is 2, .*: keep_tokens has 2"),
]


@pytest.mark.parametrize("kwargs,message", REFUSED, ids=lambda x: x if isinstance(x, str) else "")
def test_refused(kwargs, message):
    with pytest.raises(ConfigError, match=message) as e:
        build_transformer_model(CONFIG, **kwargs)
    assert isinstance(e.value, ValueError)


@pytest.mark.parametrize("argument", ["config_path", "checkpoint_path"])
def test_paths_that_are_not_there(argument):
    paths = {"config_path": CONFIG, argument: str(FOLDER / "nothing.json")}
    with pytest.raises(FileNotFoundError, match="nothing.json"):
        build_transformer_model(**paths)


def test_arguments_win_over_the_file_under_any_name():
    transformer = build_transformer_model(
        CONFIG, return_keras_model=False, num_hidden_layers=1, hidden_dropout_prob=0.0, max_position=20
    )
    assert transformer.num_hidden_layers == 1
    assert transformer.max_position == 20
    assert transformer.dropout_rate == 0


def test_unknown_keys_of_a_file_are_noted(tmp_path):
    config = json.loads(open(CONFIG, encoding="utf-8").read())
    config["my_key"] = 1
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.warns(UserWarning, match="does not know my_key"):
        transformer = build_transformer_model(str(path), CHECKPOINT, return_keras_model=False, hidden_act="gelu_tanh")
    assert transformer.ignored_config_keys == ["my_key"]  # pooler_type is known to change nothing
    assert "my_key" in transformer.load_report.summary()


def test_a_warning_names_the_line_of_the_caller(tmp_path):
    """Not a line of b4k3, however deep in it the warning is given."""
    transformer = build_transformer_model(CONFIG, CHECKPOINT, return_keras_model=False, hidden_act="gelu_tanh")
    weights = transformer.checkpoint_variables()
    del weights["bert/encoder/layer_0/output/dense/kernel"]
    with pytest.warns(UserWarning) as found:
        build_transformer_model(CONFIG, weights, hidden_act="gelu_tanh", ignore_invalid_weights=True)
        transformer.ignore_invalid_weights = True
        transformer.load_weights_from_checkpoint(weights)
    assert len(found) == 2 and {Path(warning.filename).name for warning in found} == {Path(__file__).name}


def test_without_files():
    """Everything from keyword arguments; a dict as config; the Keras model by default."""
    sizes = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=5)
    model = build_transformer_model(hidden_act="relu", **sizes)
    assert tuple(model.output_shape) == (None, None, 8)
    sizes["hidden_act"] = "gelu"
    assert tuple(build_transformer_model(sizes, with_pool=True).output_shape) == (None, 8)


def test_accepted_arguments_are_those_of_all_bases():
    class Mine(BERT):
        def __init__(self, flavour=None, **kwargs):
            super().__init__(**kwargs)

    names = accepted_arguments(Mine)
    assert {"flavour", "with_mlm", "keep_tokens", "layer_norm_cond"} <= names
    assert not {"self", "kwargs"} & names


def test_a_language_model_can_be_asked_to_be_one():
    sizes = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=5)
    options = dict(sizes, hidden_act="relu", max_position=8, return_keras_model=False)
    assert type(build_transformer_model(model="gpt", application="lm", **options)) is GPT
    assert build_transformer_model(model="gpt", application="unilm", segment_vocab_size=2, **options).generates


def test_type_checkers_know_the_arguments_of_every_architecture():
    """`ModelArguments` has what `build_transformer_model` takes at run time, and nothing else."""
    taken = set()
    for network in networks():
        cls = architecture(network)
        for application in set(APPLICATIONS) & set(getattr(cls, "applications", APPLICATIONS)):
            taken |= known_arguments(with_application(cls, application), network)
    tree = ast.parse(Path(model_arguments.__file__).read_text(encoding="utf-8"))
    table = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    listed = [node.target.id for node in table.body if isinstance(node, ast.AnnAssign)]
    assert len(listed) == len(set(listed))
    own = set(inspect.signature(build_transformer_model).parameters)
    assert set(listed) == taken - own


def test_a_dtype_is_of_one_model_alone():
    inputs = [np.array([[2, 5, 3, 0]], "float32"), np.zeros((1, 4), "float32")]
    if row.kind != "keras3":
        with pytest.raises(ConfigError, match="dtype='bfloat16' needs Keras 3"):
            build_transformer_model(CONFIG, CHECKPOINT, dtype="bfloat16")
        return
    want = build_transformer_model(CONFIG, CHECKPOINT)
    before = keras.config.dtype_policy()
    found = build_transformer_model(CONFIG, CHECKPOINT, dtype="bfloat16")
    assert keras.config.dtype_policy() == before
    assert {str(v.dtype) for v in found.weights} == {"bfloat16"}
    assert {str(v.dtype) for v in build_transformer_model(CONFIG, CHECKPOINT).weights} == {"float32"}
    mixed = build_transformer_model(CONFIG, CHECKPOINT, dtype="mixed_bfloat16")
    assert {str(v.dtype) for v in mixed.weights} == {"float32"}
    expected = np.asarray(Predictor(want)(inputs))
    for model in (found, mixed):
        y = Predictor(model)(inputs)
        assert np.abs(np.asarray(y, "float32") - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", ["int8", "bf16", 16])
def test_what_is_no_dtype_is_refused(dtype):
    with pytest.raises(ConfigError, match=f"dtype={dtype!r}"):
        build_transformer_model(CONFIG, dtype=dtype)
