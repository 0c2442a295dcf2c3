"""Every message in the tables of docs/loading.md is one that b4k3 gives, and every table row has its case here."""

import json
import re
import warnings

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.tokenizers import Tokenizer
from support import torch_files
from support.goldens import ROOT as GOLDENS
from support.pages import ROOT
from support.small_models import CONFIG

WORDS = "bert/embeddings/word_embeddings"


def messages():
    """What the first column of the tables below the heading 'What a refusal means' has in quotes."""
    page = (ROOT / "docs" / "loading.md").read_text(encoding="utf-8").partition("\n## What a refusal means\n")[2]
    columns = re.findall(r"^\| (`.+?`) \|", page, re.M)
    return [message for column in columns for message in re.findall(r"`(.+?)`", column)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The variables of a small BERT without heads, as a dict."""
    transformer = build_transformer_model(CONFIG, return_keras_model=False)
    path = str(tmp_path_factory.mktemp("bert") / "bert_model.ckpt")
    transformer.save_weights_as_checkpoint(path)
    with open_checkpoint(path) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


class Cases:
    """One method for each kind of wrong input; what is wrong is said in the call."""

    def __init__(self, bert, folder):
        self.bert, self.folder = bert, folder

    def build(self, arguments=None, **config):
        build_transformer_model({**CONFIG, **config}, self.bert, **(arguments or {}))

    def tensors(self, tensors, **arguments):
        build_transformer_model(CONFIG, tensors, **arguments)

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def folder_with(self, *names):
        (self.folder / "config.json").write_text(json.dumps(CONFIG))
        for name in names:
            if name.endswith(".safetensors"):
                save_checkpoint(str(self.folder / name), self.bert, format="safetensors")
            else:
                self.write(name, b"something else")
        return build_transformer_model(str(self.folder))

    def torch_file(self, pickle):
        open_checkpoint(self.write("pytorch_model.bin", torch_files.zipped(pickle, {"0": bytes(4)})))

    def cut_short(self):
        path = save_checkpoint(str(self.folder / "a.safetensors"), self.bert, format="safetensors")
        with open(path, "rb") as file:
            data = file.read(1000)
        open_checkpoint(self.write("cut.safetensors", data))

    def vocabulary(self, *tokens):
        return Tokenizer(self.write("vocab.txt", "\n".join(tokens).encode()))


def prefixed(bert):
    return {f"{prefix}/{name}": array for prefix in ("first", "second") for name, array in bert.items()}


def foreign(name):
    return build_transformer_model(CONFIG, str(GOLDENS / "foreign" / name))


ONE = torch_files.tensor("Float", "0", 1)
SPECIAL = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
CASES = {
    # the network
    "model='bort' is not known": lambda c: c.build({"model": "bort"}),
    "model_type='convbert' is a network that b4k3 does not have": lambda c: c.build(model_type="convbert"),
    "model_type='roberta' is another network than model='bert'": lambda c: c.build(
        {"model": "bert"}, model_type="roberta"
    ),
    "position_embedding_type='relative_key' is another network than model='bert'": lambda c: c.build(
        {"model": "bert"}, position_embedding_type="relative_key"
    ),
    "does not fit model='electra'": lambda c: c.build({"model": "electra"}),
    "not read: bert/embeddings/position_embeddings": lambda c: c.build({"model": "nezha"}),
    "several networks are in it": lambda c: c.tensors(prefixed(c.bert)),
    "is_decoder is true": lambda c: c.build(model_type="bert", is_decoder=True),
    # the configuration and the arguments
    "has no argument 'drop_out_rate'": lambda c: c.build({"drop_out_rate": 0.1}),
    "hidden_act='xielu' is no activation that b4k3 knows": lambda c: c.build(hidden_act="xielu"),
    "b4k3 does not know my_new_scale": lambda c: c.build(model_type="bert", my_new_scale=2),
    "mean the same and have different values": lambda c: build_transformer_model(
        {**CONFIG, "n_embd": 32}, model="gpt2"
    ),
    "pad_token_id is null": lambda c: c.build(pad_token_id=None),
    "keep_tokens[1] is 20, expected an id from 0 to 19": lambda c: c.build({"keep_tokens": [0, 20]}),
    "the checkpoint has 2: only the first 1 are built": lambda c: c.build(num_hidden_layers=1),
    "it is not valid JSON: line 1": lambda c: build_transformer_model(c.write("config.json", b"{bad}"), c.bert),
    "there is no file nowhere": lambda c: build_transformer_model("nowhere"),
    # the variables
    "missing: cls/predictions/output_bias": lambda c: c.build({"with_mlm": True}),
    "missing: cls/predictions/decoder/weights": lambda c: c.build({"with_mlm": True, "tie_word_embeddings": False}),
    "shape: bert/embeddings/word_embeddings is [20, 16]": lambda c: c.build(hidden_size=32),
    "dtype: bert/embeddings/word_embeddings is int8 in the file": lambda c: c.tensors(
        {**c.bert, WORDS: c.bert[WORDS].astype("int8")}
    ),
    "weights of a Keras model in TensorFlow's format": lambda c: foreign("keras_tf_weights"),
    "an object graph of TensorFlow 2": lambda c: foreign("obj"),
    "weights of a Keras 3 model": lambda c: foreign("w.weights.h5"),
    # the files
    "is a configuration, not a checkpoint": lambda c: build_transformer_model(
        CONFIG, c.write("bert_config.json", json.dumps(CONFIG).encode())
    ),
    "is a Git LFS pointer": lambda c: build_transformer_model(
        CONFIG,
        c.write("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 409168\n"),
    ),
    "which no state_dict needs": lambda c: c.torch_file(
        torch_files.PROTO + b"ctransformers.models.bert.modeling_bert\nBertModel\n."
    ),
    "has several dicts of tensors": lambda c: c.torch_file(
        torch_files.state({name: torch_files.dict_of({"a": ONE}) for name in ("model", "ema")})
    ),
    "the folder holds no checkpoint that b4k3 reads": lambda c: c.folder_with("model.onnx"),
    "holds several checkpoints, give the path of one": lambda c: c.folder_with("a.safetensors", "b.safetensors"),
    "seems damaged or incomplete": lambda c: c.cut_short(),
    "is not among the 2 variables; similar names are": lambda c: open_checkpoint(
        {"words": np.zeros(2), "positions": np.zeros(2)}
    )["word"],
    # the vocabulary
    "the unknown token '[UNK]' is not among the 2 tokens": lambda c: c.vocabulary("a", "b"),
    "is outside of the vocabulary, whose ids are 0 to 3": lambda c: c.vocabulary(*SPECIAL).decode([9]),
}


def said(case):
    """The message of the error that a function raises, or its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            case()
        except (ValueError, OSError) as error:
            return str(error)
    return "\n".join(str(warning.message) for warning in caught)


def test_every_row_of_the_tables_has_a_case():
    assert messages() == list(CASES)


@pytest.mark.parametrize("message", CASES)
def test_message(message, bert, tmp_path):
    assert message in said(lambda: CASES[message](Cases(bert, tmp_path)))
