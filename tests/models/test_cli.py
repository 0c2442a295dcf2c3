"""The command line `b4k3`: what its commands say, write and refuse."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import goldens
from b4k3.models import ConfigError
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.cli import COMMANDS, features, main, vectors, verify
from b4k3.models.cli.inspect import describe
from b4k3.models.cli.subject import Subject

ENCODERS = "google_bert google_albert google_albert_groups google_electra nezha roformer roformer_v2 gau_alpha".split()

# what the converter of transformers made of our goldens: {system:model: {name: digest}}
CONVERTED = json.loads((goldens.ROOT / "huggingface" / "converted.json").read_text())


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def run(capfd, *arguments):
    status = main([str(a) for a in arguments])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def arrays_of(path):
    with open_checkpoint(str(path)) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


@pytest.fixture
def bert(tmp_path):
    """A copy of a golden folder, to be changed."""
    folder = tmp_path / "bert"
    shutil.copytree(str(goldens.ROOT / "google_bert"), str(folder))
    return folder


def rewrite(folder, change):
    """Writes the checkpoint of a folder again, its dict of arrays changed by a function."""
    tensors = arrays_of(folder)
    change(tensors)
    save_checkpoint(str(folder / "bert_model.ckpt"), tensors)


# ------------------------------------------------------------------------------------------------------- inspect


@pytest.mark.parametrize("system, model", [(s, None) for s in ENCODERS] + [("google_electra", "electra_generator")])
def test_inspect_says_what_would_load(system, model):
    """The oracle is the architecture's own mapping, which inspect does without because it needs Keras."""
    source = Subject(str(goldens.ROOT / system), model=model)
    facts = describe(source)
    assert facts["problems"] == []
    from b4k3.models.registry import architecture
    from b4k3.models.transformer import accepted_arguments

    cls = architecture(source.model)
    accepted = accepted_arguments(cls, "__init__")
    mapping = cls(**{key: value for key, value in source.known.items() if key in accepted}).variable_mapping()
    wanted = {name for names in mapping.values() for name in names}
    found = {v["canonical"] for v in facts["variables"] if v["loads"] == "loads" or "with_" in (v["loads"] or "")}
    assert found == wanted & set(source.view.keys())


def test_inspect_for_people(capfd):
    status, out, err = run(capfd, "inspect", goldens.ROOT / "brightmart_albert_zh_google")
    assert (status, err) == (0, "")
    for words in ("albert (an ALBERT checkpoint)", "vocab.txt", "hidden_size = 36", "loads with with_mlm=True"):
        assert words in out
    assert "optimizer slot         64 variables" in out
    assert "group_#/inner_group_#/attention_1/self/key/bias" in out and "adam_m" not in out
    everything = run(capfd, "inspect", goldens.ROOT / "brightmart_albert_zh_google", "--all")[1]
    assert everything.count("adam_m") == 32 and "(optimizer slot)" in everything


def test_inspect_for_machines(capfd):
    _, out, _ = run(capfd, "inspect", goldens.ROOT / "huggingface" / "albert", "--json")
    facts = json.loads(out)
    assert (facts["container"], facts["dialect"], facts["model"]) == ("safetensors", "huggingface-albert", "albert")
    assert facts["hyperparameters"]["num_hidden_groups"] == 2
    (row,) = [v for v in facts["variables"] if v["name"] == "albert.pooler.weight"]
    assert row["canonical"] == "bert/pooler/dense/kernel" and row["loads"] == "with_pool=True"
    assert (row["shape"], row["dtype"], row["bytes"]) == ([24, 24], "float32", 2304)


def test_inspect_names_what_is_wrong(capfd, bert):
    def change(tensors):
        del tensors["bert/encoder/layer_1/output/dense/bias"]
        for name in [name for name in tensors if "layer_0" in name]:
            del tensors[name]
        tensors["bert/embeddings/surplus"] = np.zeros(3, "float32")

    rewrite(bert, change)
    config = json.loads((bert / "bert_config.json").read_text())
    (bert / "bert_config.json").write_text(json.dumps(dict(config, intermediate_size=63)))
    status, out, _ = run(capfd, "inspect", bert, "--json")
    facts = json.loads(out)
    assert status == 3
    for words in ("there is no bert/encoder/layer_0", "intermediate_size=63, the shapes say 64"):
        assert any(words in problem for problem in facts["problems"]), facts["problems"]
    (surplus,) = [v for v in facts["variables"] if v["name"].endswith("surplus")]
    assert (surplus["part"], surplus["loads"]) == ("not used", None)


def test_inspect_without_config_and_of_unknown_names(capfd, bert, tmp_path):
    (bert / "bert_config.json").unlink()
    status, out, _ = run(capfd, "inspect", bert)
    assert status == 3 and "neither a config nor the shapes say num_attention_heads, hidden_act" in out
    save_checkpoint(str(tmp_path / "x.npz"), {"a": np.zeros((2, 3), "float16")}, format="npz")
    status, out, _ = run(capfd, "inspect", tmp_path / "x.npz")
    assert status == 3 and "no dialect knows its variables" in out and "float16   [2, 3]" in out


# ------------------------------------------------------------------------------------------------------- convert


def converted(capfd, tmp_path, source, *options, target="target"):
    status, out, err = run(capfd, "convert", source, tmp_path / target, *options)
    assert (status, err) == (0, ""), err
    return tmp_path / target, out


# folder -> (model=, dialect)
OF_HUGGINGFACE = {
    "gpt2": ("gpt2", "bojone_gpt"),
    "openai_gpt": ("gpt", "bojone_gpt"),
    "t5": ("t5.1.0", "mesh_t5"),
    "mt5": ("mt5.1.1", "mesh_t5"),
}
ENCODERS_OF_HUGGINGFACE = "albert bert distilbert electra electra_generator ernie nezha roberta roformer".split()
OF_HUGGINGFACE.update((name, (name, "google")) for name in ENCODERS_OF_HUGGINGFACE)
OF_HUGGINGFACE.update((name, ("roberta", "google")) for name in ("xlm_roberta", "camembert"))


@pytest.mark.parametrize("name", sorted(OF_HUGGINGFACE))
def test_convert_to_google_and_back_gives_the_same_bytes(capfd, tmp_path, name):
    original = goldens.ROOT / "huggingface" / name
    google, _ = converted(capfd, tmp_path, original, "--to", "google", target="google")
    again, _ = converted(capfd, tmp_path, google, "--to", "huggingface", target="again")
    source, written, wanted = Subject(str(google)), arrays_of(again), arrays_of(original)
    assert (source.model, source.view.dialect.name) == OF_HUGGINGFACE[name] and source.problems == []
    assert [run(capfd, "inspect", folder, "--json")[0] for folder in (original, google, again)] == [0, 0, 0]
    assert run(capfd, "verify", original, google, "--variables")[0] == 0
    assert [key for key in wanted if key not in written] == [key for key in wanted if "embed_positions" in key]
    for key in written:
        assert written[key].dtype == wanted[key].dtype
        np.testing.assert_array_equal(written[key], wanted[key])
    configs = [json.loads((folder / "config.json").read_text()) for folder in (again, original)]
    without_word = {"bos_token_id", "eos_token_id"}  # in Google's kind of config
    for key in set(configs[0]) & set(configs[1]) - without_word:
        assert configs[0][key] == configs[1][key], key
    assert {"model_type", "architectures", "vocab_size"} <= set(configs[0])
    if OF_HUGGINGFACE[name][1] == "google" and name != "distilbert":
        assert {"hidden_act", "type_vocab_size"} <= set(configs[0])


def digest(array):
    return "%s %s %s" % (array.dtype, list(array.shape), hashlib.sha256(np.ascontiguousarray(array)).hexdigest())


@pytest.mark.parametrize("key", sorted(CONVERTED))
def test_convert_gives_what_the_converter_of_transformers_gave(capfd, tmp_path, key):
    """Names, shapes and bytes as `tests/huggingface/references.py` wrote them down."""
    system, model = key.split(":")
    folder, _ = converted(capfd, tmp_path, goldens.ROOT / system, "--to", "huggingface", "--model", model)
    assert {name: digest(array) for name, array in arrays_of(folder).items()} == CONVERTED[key]
    assert (folder / "vocab.txt").read_bytes() == (goldens.ROOT / system / "vocab.txt").read_bytes()


def test_convert_containers(capfd, tmp_path):
    source = goldens.ROOT / "brightmart_albert_zh_google"
    wanted = {name: array for name, array in arrays_of(source).items() if "adam" not in name and name != "global_step"}
    for target in ("x.safetensors", "x.npz", "x.ckpt"):
        _, out = converted(capfd, tmp_path, source, target=target)
        assert "left out: 64 variables (optimizer slot)" in out
        found = arrays_of(tmp_path / target)
        assert set(found) == set(wanted)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    converted(capfd, tmp_path, source, "--slots", target="slots.npz")
    assert set(arrays_of(tmp_path / "slots.npz")) == set(arrays_of(source))


def test_convert_dtype_shards_and_settings(capfd, tmp_path):
    source = goldens.ROOT / "google_bert"
    options = ["--to", "huggingface", "--dtype", "bfloat16", "--max-shard-size", "20kB", "--set", "hidden_act=gelu_new"]
    folder, out = converted(capfd, tmp_path, source, *options)
    assert len(list(folder.glob("*.safetensors"))) > 2 and "gelu" not in out
    assert json.loads((folder / "config.json").read_text())["hidden_act"] == "gelu_new"
    with open_checkpoint(str(folder)) as checkpoint:
        assert {checkpoint.stored_dtype(name) for name in checkpoint} == {"bfloat16"}
    again, _ = converted(capfd, tmp_path, folder, "--to", "google", target="again")
    with open_checkpoint(str(again)) as checkpoint:  # what is stored is not widened in passing
        assert {checkpoint.stored_dtype(name) for name in checkpoint} == {"bfloat16"}
    source = goldens.ROOT / "google_bert"
    assert "--set hidden_act=gelu_new" in converted(capfd, tmp_path, source, "--to", "huggingface", target="b")[1]
    vocab = [token + "A" for token in (source / "vocab.txt").read_text(encoding="utf-8").split()]
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"] is True
    shutil.copytree(str(source), str(tmp_path / "cased"))
    (tmp_path / "cased" / "vocab.txt").write_bytes("\n".join(vocab).encode("utf-8"))
    folder, _ = converted(capfd, tmp_path, tmp_path / "cased", "--to", "huggingface", target="c")
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"] is False


@pytest.mark.parametrize("kind", ["weights", "whole"])
def test_convert_to_keras_and_back(capfd, tmp_path, kind):
    from b4k3.backend import row

    suffix = ".weights.h5" if kind == "weights" else ".keras" if row.is_keras3 else ".h5"
    source = goldens.ROOT / "google_albert"
    path = "model" + suffix
    _, out = converted(capfd, tmp_path, source, target=path)
    assert "built with the heads: pool,nsp,mlm" in out
    goldens.forget()
    options = ["--config", source / "albert_config.json", "--model", "albert", "--to", "google"]
    heads = ["--heads", "pool,nsp,mlm"] if kind == "weights" else []
    folder, _ = converted(capfd, tmp_path, tmp_path / path, *(options + heads))
    wanted = {name: array for name, array in arrays_of(source).items() if name != "global_step"}
    found = arrays_of(folder)
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_convert_refuses(capfd, tmp_path, bert):
    def refused(message, *arguments):
        status, out, err = run(capfd, "convert", *arguments)
        assert (status, out) == (1, "") and message in err and err.count("\n") == 1, err

    (tmp_path / "there.npz").write_bytes(b"")
    refused("--force replaces it", bert, tmp_path / "there.npz")
    refused("dialect='hugginface' is not known", bert, tmp_path / "t", "--to", "hugginface")
    refused("transformers has no model for 'gau'", goldens.ROOT / "gau_alpha", tmp_path / "t", "--to", "huggingface")
    refused("--heads: there is no head 'x'", bert, tmp_path / "t.weights.h5", "--heads", "x")
    refused("--set a: expected KEY=VALUE", bert, tmp_path / "t", "--to", "google", "--set", "a")
    refused("the name says npz", bert, tmp_path / "t.npz", "--format", "tf")
    refused("are not for files of Keras", bert, tmp_path / "t.weights.h5", "--dtype", "float16")
    (tmp_path / "x.weights.h5").write_bytes(b"")
    refused("give --config and --model", tmp_path / "x.weights.h5", tmp_path / "t", "--to", "google")
    rewrite(bert, lambda tensors: tensors.pop("bert/encoder/layer_1/output/dense/bias"))
    refused("layer_1 lacks output/dense/bias", bert, tmp_path / "t", "--to", "huggingface")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("t") and path.name != "there.npz"]


# -------------------------------------------------------------------------------------------------------- verify


def test_verify_alone(capfd, bert):
    assert run(capfd, "verify", bert)[:2] == (0, "%s: 62 variables, checksums right\n" % bert)
    lines = (bert / "vocab.txt").read_bytes().split(b"\n")
    (bert / "vocab.txt").write_bytes(b"\n".join(lines[:100]))
    status, out, _ = run(capfd, "verify", bert)
    assert status == 0 and "has 100 tokens, the embedding table of" in out and "120 rows; the last 20 rows" in out
    (bert / "vocab.txt").write_bytes(b"\n".join(lines[:120] + [b"more"]))
    status, _, err = run(capfd, "verify", bert)
    assert status == 1 and "belongs to another checkpoint" in err
    (bert / "vocab.txt").unlink()

    def spoil(tensors):
        tensors["bert/pooler/dense/bias"][3] = np.nan

    rewrite(bert, spoil)
    status, out, _ = run(capfd, "verify", bert, "--json")
    assert status == 3 and json.loads(out)["whole"]["not_finite"] == ["bert/pooler/dense/bias"]
    data = max(bert.glob("bert_model.ckpt.data-*"), key=lambda path: path.stat().st_size)
    damaged = bytearray(data.read_bytes())
    damaged[5000] ^= 1
    data.write_bytes(bytes(damaged))
    status, _, err = run(capfd, "verify", bert)
    assert status == 1 and "checksum" in err and "bert/" in err


def test_verify_two_that_are_the_same_and_one_that_is_not(capfd, tmp_path, bert):
    other, _ = converted(capfd, tmp_path, bert, "--to", "huggingface")
    status, out, _ = run(capfd, "verify", bert, other, "--json")
    facts = json.loads(out)
    assert status == 0 and facts["same"] and facts["variables"]["same"] == 62
    assert [row["difference"] for row in facts["blocks"]] == [0, 0, 0, 0]

    def change(tensors):
        tensors["bert/encoder/layer_1/intermediate/dense/bias"] += 0.5

    rewrite(bert, change)
    (tmp_path / "lines.txt").write_bytes("the 我 是\n\nun".encode())
    status, out, _ = run(capfd, "verify", bert, other, "--text", tmp_path / "lines.txt", "--json")
    facts = json.loads(out)
    (row,) = facts["variables"]["differing"]
    assert status == 3 and row["variable"] == "bert/encoder/layer_1/intermediate/dense/bias"
    differences = [row["difference"] for row in facts["blocks"]]
    assert differences[:2] == [0, 0] and min(differences[2:]) > 1e-3
    assert "NOT the same" in run(capfd, "verify", bert, other, "--variables")[1]
    assert run(capfd, "verify", bert, other, "--variables", "--tolerance", "10")[0] == 0
    rewrite(bert, lambda tensors: tensors.pop("bert/pooler/dense/bias"))
    status, out, _ = run(capfd, "verify", bert, other, "--variables")
    assert status == 3 and "only in %s: bert/pooler/dense/bias" % other in out


@pytest.mark.parametrize("name", ["camembert", "distilbert", "ernie", "roberta"])
def test_verify_computes_the_same(capfd, tmp_path, name):
    original = goldens.ROOT / "huggingface" / name
    google, _ = converted(capfd, tmp_path, original, "--to", "google")
    status, out, _ = run(capfd, "verify", original, google, "--json")
    facts = json.loads(out)
    assert status == 0 and facts["same"] and [row["difference"] for row in facts["blocks"]] == [0, 0, 0]


def test_verify_and_convert_with_another_padding_id(capfd, tmp_path, bert):
    exchange_the_padding(bert)
    for to, name in (("huggingface", "config.json"), ("google", "bert_config.json")):
        other, _ = converted(capfd, tmp_path, bert, "--to", to, target=to)
        assert json.loads((other / name).read_text())["pad_token_id"] == 3
        for text in ([], ["--text", lines_file(tmp_path)]):
            status, out, _ = run(capfd, "verify", bert, other, "--json", *text)
            facts = json.loads(out)
            assert status == 0 and facts["same"] and [row["difference"] for row in facts["blocks"]] == [0, 0, 0, 0]
    source = Subject(str(bert))
    ids, mask = verify.ids_for(source, source, SimpleNamespace(text=None))
    assert (ids[~mask] == 3).all() and not (ids[mask] == 3).any() and 0 in ids[mask] and not mask.all()


# ------------------------------------------------------------------------------------------------------ features

LINES = ["the 我 是", "", "un 1 2 3 4 5 6 7 8 9", "没 去 1", "", "a b c d e f g " * 4]


def lines_file(tmp_path, lines=LINES):
    (tmp_path / "lines.txt").write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))
    return tmp_path / "lines.txt"


def plain_features(folder, pooling, maxlen):
    """One line at a time, without padding."""
    from b4k3.models import build_transformer_model
    from b4k3.tokenizers import Tokenizer

    tokenizer = Tokenizer(str(folder / "vocab.txt"), do_lower_case=True)
    model = build_transformer_model(str(folder), with_pool=pooling == "pooler")
    for line in LINES:
        ids, segments = (np.array([row]) for row in tokenizer.encode(line, maxlen=maxlen))
        hidden = np.asarray(model.predict([ids, segments], verbose=0))[0]
        yield hidden if pooling == "pooler" else hidden.mean(axis=0)


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_features(capfd, tmp_path, pooling):
    folder, output = goldens.ROOT / "google_bert", tmp_path / "x.npy"
    options = ["--pooling", pooling, "--maxlen", 12, "--batch-size", 2, "--window", 4, "--output", output]
    status, out, err = run(capfd, "features", folder, lines_file(tmp_path), *options)
    assert (status, out) == (0, "") and "6 lines" in err
    found, wanted = np.load(str(output)), np.array(list(plain_features(folder, pooling, 12)))
    assert found.dtype == "float32" and found.shape == (6, 32)
    assert np.abs(found - wanted).max() < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines.txt", "x.npy"]


def exchange_the_padding(folder, other=3):
    """The padding of a BERT in a folder becomes another id, in checkpoint, vocabulary and config."""
    table = "bert/embeddings/word_embeddings"

    def change(tensors):
        for name in (table, "cls/predictions/output_bias"):
            tensors[name] = tensors[name].copy()
            tensors[name][[0, other]] = tensors[name][[other, 0]]

    rewrite(folder, change)
    lines = (folder / "vocab.txt").read_bytes().split(b"\n")
    lines[0], lines[other] = lines[other], lines[0]
    (folder / "vocab.txt").write_bytes(b"\n".join(lines))
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "bert_config.json").write_text(json.dumps(dict(config, pad_token_id=other)))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_features_with_another_padding_id(capfd, tmp_path, bert, pooling):
    lines, found = lines_file(tmp_path), []
    for i in range(2):
        output = tmp_path / ("%d.npy" % i)
        options = ["--pooling", pooling, "--batch-size", 4, "--output", output, "--quiet"]
        assert run(capfd, "features", bert, lines, *options)[0] == 0
        found.append(np.load(str(output)))
        exchange_the_padding(bert)
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_pooling():
    hidden = np.random.RandomState(0).randn(3, 5, 4).astype("float32")
    lengths = [5, 1, 3]
    mask = np.arange(5) < np.array(lengths)[:, None]
    plain = {"cls": lambda x: x[0], "mean": lambda x: x.mean(axis=0), "max": lambda x: x.max(axis=0)}
    for pooling in plain:
        wanted = [plain[pooling](row[:n]) for row, n in zip(hidden, lengths)]
        np.testing.assert_allclose(features.pooled(hidden, mask, pooling), wanted, rtol=1e-6)
    assert [features.rounded(n) for n in (1, 8, 9, 12, 13, 24, 25, 97)] == [8, 8, 12, 12, 16, 24, 32, 128]


class CountingModel:
    """In place of the network: a line's vector is its number of ids and their sum."""

    size = 2

    def __init__(self, *arguments):
        pass

    def vectors(self, rows):
        return np.array([[len(row), sum(row)] for row in rows], dtype="float32")


def test_features_of_ids_without_a_row():
    model = features.Model.__new__(features.Model)
    model.vocab_size = 5
    with pytest.raises(ConfigError, match=r"token id 5 at \[1\], expected whole numbers from 0 to 4: the vocabulary"):
        model.vectors([[1, 2], [1, 5]])


def test_features_as_json_lines(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "Model", CountingModel)
    arguments = ["features", goldens.ROOT / "google_bert", lines_file(tmp_path), "--quiet"]
    status, out, err = run(capfd, *arguments)
    assert (status, err) == (0, "")
    assert run(capfd, *(arguments + ["--output", tmp_path / "x.jsonl"]))[0] == 0
    assert (tmp_path / "x.jsonl").read_text() == out
    assert run(capfd, *(arguments + ["--output", tmp_path / "x.npy"]))[0] == 0
    rows = np.array([json.loads(line) for line in out.splitlines()], dtype="float32")
    np.testing.assert_array_equal(rows, np.load(str(tmp_path / "x.npy")))
    assert rows[:, 0].tolist() == [5, 2, 12, 5, 2, 30]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("suffix", [".npy", ".jsonl"])
def test_features_go_on_after_an_interruption(capfd, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(features, "Model", CountingModel)
    whole, output = tmp_path / ("whole" + suffix), tmp_path / ("x" + suffix)
    arguments = ["features", goldens.ROOT / "google_bert", lines_file(tmp_path), "--window", 2, "--quiet"]
    assert run(capfd, *arguments, "--output", whole)[0] == 0
    write_state = vectors.OutputFile.write_state

    def interrupt(self):
        if self.rows == 4:  # rows 2 and 3 are in the file, and no state says so
            raise Interrupted
        write_state(self)

    with monkeypatch.context() as patch:
        patch.setattr(vectors.OutputFile, "write_state", interrupt)
        with pytest.raises(Interrupted):
            run(capfd, *arguments, "--output", output)
    assert not output.exists()
    status, _, err = run(capfd, *arguments, "--output", output, "--pooling", "mean")
    assert status == 1 and "is of a run with another pooling; --restart begins anew" in err
    (tmp_path / "lines.txt").write_text("other\nlines\n")
    status, _, err = run(capfd, *arguments, "--output", output)
    assert status == 1 and "is of other lines" in err
    lines_file(tmp_path)
    status, _, err = run(capfd, *arguments[:-1], "--output", output)
    assert status == 0 and "going on after 2 lines" in err
    assert output.read_bytes() == whole.read_bytes()


def test_features_refuse(capfd, tmp_path, bert):
    def refused(message, *options):
        status, out, err = run(capfd, "features", bert, lines_file(tmp_path), "--quiet", *options)
        assert (status, out) == (1, "") and message in err and err.count("\n") == 1, err

    refused("should end in .npy or .jsonl", "--output", tmp_path / "x.txt")
    refused("--window is 0", "--window", 0)
    refused("no room for 2 special tokens", "--maxlen", 1)
    text = (bert / "vocab.txt").read_text(encoding="utf-8")
    with open(str(bert / "vocab.txt"), "ab") as f:
        f.write(b"more\n" if text.endswith("\n") else b"\nmore\n")
    refused("belongs to another checkpoint")
    (bert / "vocab.txt").unlink()
    refused("name it by --vocab")


# ---------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n  " in out and "exit codes:" in out


def test_no_command_is_status_2(capsys):
    assert main([]) == 2
    assert "inspect" in capsys.readouterr().out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_wrong_input_is_one_line_and_status_1(command, capfd, tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 40)
    for path in ("nowhere.ckpt", "broken.safetensors"):
        target = [tmp_path / "target"] if command == "convert" else []
        status, out, err = run(capfd, command, tmp_path / path, *target)
        assert (status, out) == (1, "")
        assert err.startswith("error: ") and path in err and err.count("\n") == 1


def test_looking_and_converting_start_no_framework():
    probe = (
        "import sys; from b4k3.models.cli import main; status = main(%r); "
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules); sys.exit(status)"
    )
    command = ["inspect", str(goldens.ROOT / "google_bert"), "--json"]
    done = subprocess.run([sys.executable, "-c", probe % command], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.decode())["path"] == command[1]
    assert os.path.exists(command[1])
