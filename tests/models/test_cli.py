"""The command line `b4k3`: what its commands say, write and refuse."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.cli import COMMANDS, __version__, features, keras_files, main, vectors, verify
from b4k3.models.cli.convert import shard_size
from b4k3.models.cli.inspect import describe
from b4k3.models.cli.subject import Subject
from support import goldens
from support.sentencepiece_models import build

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
ENCODERS_OF_HUGGINGFACE = "albert bert distilbert electra electra_generator ernie megatron_bert mpnet nezha".split()
ENCODERS_OF_HUGGINGFACE += ["roberta", "roformer"]
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
    if OF_HUGGINGFACE[name][1] == "google" and name not in ("distilbert", "mpnet"):
        assert {"hidden_act", "type_vocab_size"} <= set(configs[0])


def digest(array):
    return f"{array.dtype} {list(array.shape)} {hashlib.sha256(np.ascontiguousarray(array)).hexdigest()}"


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


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", "x.onnx x.PT x.bin x.pth x.msgpack x.gguf x.NPZ x.safetensors.index.json x.hdf5".split()
)
def test_convert_refuses_other_suffixes(capfd, tmp_path, bert, name):
    status, _, err = run(capfd, "convert", bert, tmp_path / name)
    assert status == 1 and ".safetensors, .npz, .ckpt, .weights.h5, .keras, .h5, or is a folder" in err
    assert not (tmp_path / name).exists()


def test_convert_to_folders_with_dots_and_to_numbered_prefixes(capfd, tmp_path, bert):
    for name in ("t5.1.1", "bert.v2", "x.onnx/"):
        assert run(capfd, "convert", bert, f"{tmp_path}/{name}")[0] == 0
        assert (tmp_path / name / "bert_model.ckpt.index").exists()
    assert run(capfd, "convert", bert, tmp_path / "bert_model.ckpt-1000")[0] == 0
    assert (tmp_path / "bert_model.ckpt-1000.index").exists()


@pytest.mark.parametrize("there", ["model.safetensors", "config.json", "vocab.txt", "tokenizer_config.json"])
def test_convert_replaces_nothing_without_force(capfd, tmp_path, bert, there):
    target = tmp_path / "target"
    target.mkdir()
    (target / there).write_text("mine")
    (target / "notes.md").write_text("mine too")
    before = contents(target)
    status, out, err = run(capfd, "convert", bert, target, "--to", "huggingface")
    assert (status, out) == (1, "") and f"{target / there} is there already; --force replaces it" in err
    assert contents(target) == before
    assert run(capfd, "convert", bert, target, "--to", "huggingface", "--force")[0] == 0
    assert contents(target)["notes.md"] == b"mine too" and contents(target)[there] != b"mine"


def links(tmp_path, bert):
    """{what: (source, target, options)} of commands that would replace a part of their own source."""
    index = bert / "bert_model.ckpt.index"
    (tmp_path / "soft").symlink_to(bert)
    (tmp_path / "soft.ckpt.index").symlink_to(index)
    os.link(str(index), str(tmp_path / "hard.ckpt.index"))
    sharded = save_checkpoint(str(tmp_path / "x.safetensors"), arrays_of(bert), "safetensors", max_shard_size=30000)
    os.makedirs(str(tmp_path / "other"))
    os.link(str(bert / "vocab.txt"), str(tmp_path / "other" / "vocab.txt"))
    os.makedirs(str(tmp_path / "third"))
    (tmp_path / "third" / "bert_config.json").symlink_to(bert / "bert_config.json")
    return {
        "folder": (bert, bert, []),
        "folder by a link": (bert, tmp_path / "soft", []),
        "folder in other names": (bert, bert, ["--to", "huggingface"]),
        "prefix": (bert, bert / "bert_model.ckpt", []),
        "relative": (bert, os.path.relpath(str(bert / "bert_model.ckpt")), []),
        "soft link": (bert, tmp_path / "soft.ckpt", []),
        "hard link": (bert, tmp_path / "hard.ckpt", []),
        "shards": (sharded, tmp_path / "x.safetensors", []),
        "vocabulary": (bert, tmp_path / "other", []),
        "config": (bert, tmp_path / "third", []),
    }


@pytest.mark.parametrize("force", [False, True])
def test_convert_never_replaces_its_own_source(capfd, tmp_path, bert, force):
    cases = links(tmp_path, bert)
    before = contents(tmp_path)
    for source, target, options in cases.values():
        status, out, err = run(capfd, "convert", source, target, *options, *["--force"] * force)
        assert (status, out) == (1, "") and ("a part of" in err or "the folder of SOURCE" in err), err
        assert contents(tmp_path) == before


HEADS = {"output_weights": np.ones((3, 32), "float32"), "output_bias": np.zeros(3, "float32")}


def test_convert_keeps_the_head_of_a_task_and_lists_what_it_leaves_out(capfd, tmp_path, bert):
    rewrite(bert, lambda tensors: tensors.update(HEADS, **{"adam_m": np.zeros(2, "float32")}))
    kept = "kept under their own names, as no dialect has others: output_bias, output_weights"
    folder, out = converted(capfd, tmp_path, bert, "--to", "huggingface")
    assert kept in out and "left out: 1 variables (optimizer slot)" in out
    again, out = converted(capfd, tmp_path, folder, "--to", "google", target="again")
    assert kept in out
    for path in (folder, again):
        assert all(np.array_equal(arrays_of(path)[name], HEADS[name]) for name in HEADS)
        assert run(capfd, "inspect", path)[0] == 0
    folder, _ = converted(capfd, tmp_path, bert, target="x.npz")  # names that stay keep all
    assert set(HEADS) <= set(arrays_of(folder))


def test_convert_to_keras_lists_what_it_leaves_out(capfd, tmp_path, bert):
    rewrite(bert, lambda tensors: tensors.update(HEADS))
    _, out = converted(capfd, tmp_path, bert, "--heads", "pool", target="x.weights.h5")
    assert "left out: 2 variables (head of a task): output_bias, output_weights" in out
    assert "(NSP head): cls/seq_relationship/output_bias" in out and "(pooler)" not in out


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "files", "a folder"])
@pytest.mark.parametrize("step", range(4))
def test_an_error_leaves_the_folder_as_it_was(capfd, tmp_path, bert, monkeypatch, there, step):
    """A full disk when the data, the index, the config or the vocabulary is to be made durable."""
    target = tmp_path / "deep" / "target"
    if there != "nothing":
        target.mkdir(parents=True)
    if there in ("files", "a folder"):
        assert run(capfd, "convert", goldens.ROOT / "nezha", target / "bert_model.ckpt", "--to", "google")[0] == 0
        (target / "vocab.txt").write_text("old")
    if there == "a folder":
        (target / "logs").mkdir()
    before, names = contents(tmp_path), os.listdir(str(tmp_path))
    calls, fsync = [], os.fsync

    def full(handle):
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            calls.append(handle)
            if len(calls) > step:
                raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, out, err = run(capfd, "convert", bert, target, "--force")
    assert (status, out) == (1, "") and "No space left on device; nothing was written" in err
    assert contents(tmp_path) == before and os.listdir(str(tmp_path)) == names
    status, _, err = run(capfd, "convert", bert, target, "--force")
    assert (status, err) == (0, "") and run(capfd, "verify", target)[0] == 0
    assert set(os.listdir(str(target.parent))) == {"target"}
    assert not [name for name in os.listdir(str(target)) if ".b4k3" in name]


def test_a_current_directory_stays_the_same_folder(capfd, tmp_path, bert, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(str(tmp_path / "here"))
    for _ in range(2):
        assert run(capfd, "convert", bert, ".", "--force")[0] == 0
    assert "vocab.txt" in os.listdir(".") and run(capfd, "verify", ".")[0] == 0


@pytest.mark.parametrize("keras", [".weights.h5", ".h5"])
def test_a_keras_file_appears_whole_or_not_at_all(capfd, tmp_path, bert, monkeypatch, keras):
    path = tmp_path / ("x" + keras)
    path.write_bytes(b"old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras_files, "check_room", full)
    status, _, err = run(capfd, "convert", bert, path)
    assert status == 1 and "--force replaces it" in err
    status, _, err = run(capfd, "convert", bert, path, "--force")
    assert status == 1 and f"{path}: No space left on device; nothing was written" in err
    assert contents(tmp_path)[path.name] == b"old" and len(os.listdir(str(tmp_path))) == 2


@pytest.mark.parametrize(
    "text, size",
    [("50kB", 50000), ("50KB", 50000), ("50 kb", 50000), ("50K", 50000), ("2GB", 2 * 10**9), ("2g", 2 * 10**9)]
    + [("1KiB", 1024), ("3mib", 3 << 20), ("1.5MB", 1500000), ("7", 7), ("1TB", 10**12)],
)
def test_sizes(text, size):
    assert shard_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-5", "5 apples", "KB", "0.1", "1e3", "5KBB"])
def test_wrong_sizes_are_status_2(capfd, tmp_path, bert, text):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", str(bert), str(tmp_path / "x"), "--max-shard-size=" + text])
    assert stopped.value.code == 2 and "expected for instance 2GB, 500MB or 64KiB" in capfd.readouterr().err


# -------------------------------------------------------------------------------------------------------- verify


def test_verify_alone(capfd, bert):
    assert run(capfd, "verify", bert)[:2] == (0, f"{bert}: 62 variables, checksums right\n")
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
    assert status == 3 and f"only in {other}: bert/pooler/dense/bias" in out


@pytest.mark.parametrize("name", ["camembert", "distilbert", "ernie", "mpnet", "roberta"])
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


def test_features_and_convert_with_the_vocabulary_of_xlm_r(capfd, tmp_path):
    """Neither the ids of the SentencePiece model nor those of a vocab.txt: fairseq's."""
    from b4k3.models import build_transformer_model

    folder = tmp_path / "xlm_roberta"
    shutil.copytree(str(goldens.ROOT / "huggingface" / "xlm_roberta"), str(folder))
    pieces = [(piece, -3.0) for piece in ["\u2581", "\u2581the", "我", "是"]]  # ids 4 to 7
    (folder / "sentencepiece.bpe.model").write_bytes(build(pieces))
    output = tmp_path / "x.npy"
    options = ["--pooling", "mean", "--output", output, "--quiet"]
    assert run(capfd, "features", folder, lines_file(tmp_path, ["the 我是", "x"]), *options)[0] == 0
    model = build_transformer_model(str(folder))
    for ids, found in zip(([0, 5, 4, 6, 7, 2], [0, 4, 3, 2]), np.load(str(output))):
        hidden = np.asarray(model.predict([np.array([ids]), np.zeros((1, len(ids)))], verbose=0))[0]
        np.testing.assert_allclose(found, hidden.mean(axis=0), atol=1e-5)
    target, _ = converted(capfd, tmp_path, folder, "--to", "huggingface")
    assert json.loads((target / "tokenizer_config.json").read_text()) == {"tokenizer_class": "XLMRobertaTokenizer"}
    assert (target / "sentencepiece.bpe.model").read_bytes() == build(pieces)


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
        output = tmp_path / f"{i}.npy"
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
    assert status == 1 and "comes from a run with another pooling; --restart begins anew" in err
    (tmp_path / "lines.txt").write_text("other\nlines\n")
    status, _, err = run(capfd, *arguments, "--output", output)
    assert status == 1 and "comes from other lines" in err
    lines_file(tmp_path)
    status, _, err = run(capfd, *arguments[:-1], "--output", output)
    assert status == 0 and "going on after 2 lines" in err
    assert output.read_bytes() == whole.read_bytes()


@pytest.fixture
def interrupted(capfd, tmp_path, bert, monkeypatch):
    """Arguments of a run of `features` that was stopped after four of six lines, with its state beside `x.npy.part`."""
    monkeypatch.setattr(features, "Model", CountingModel)
    arguments = ["features", bert, lines_file(tmp_path), "--window", 2, "--quiet", "--output", tmp_path / "x.npy"]
    finish = vectors.OutputFile.write_state

    def stop(self):
        finish(self)
        if self.rows == 4:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(vectors.OutputFile, "write_state", stop)
        with pytest.raises(Interrupted):
            run(capfd, *arguments)
    return arguments


def shift_bias(tensors):
    tensors["bert/pooler/dense/bias"] = tensors["bert/pooler/dense/bias"] + 1


def change_text(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    "what, change",
    [
        ("checkpoint", lambda bert: rewrite(bert, shift_bias)),
        ("config", lambda bert: change_text(bert / "bert_config.json", '"gelu"', '"relu"')),
        ("vocabulary", lambda bert: change_text(bert / "vocab.txt", "[MASK]\n", "[MASQ]\n")),
    ],
)
def test_features_go_on_with_the_same_network_only(capfd, tmp_path, bert, interrupted, what, change):
    """The same command, other content under the same name: of the same size and with the same time of change."""
    times = {path: path.stat() for path in bert.iterdir()}
    change(bert)
    for path, status in times.items():
        if path.exists():
            os.utime(str(path), ns=(status.st_atime_ns, status.st_mtime_ns))
    status, _, err = run(capfd, *interrupted)
    assert status == 1 and f"x.npy.part comes from a run with another {what}; --restart begins anew" in err
    assert run(capfd, *interrupted, "--restart")[0] == 0


def test_features_go_on_where_the_same_network_has_another_name(capfd, bert, interrupted):
    bert.rename(bert.parent / "moved")
    interrupted[1] = bert.parent / "moved"
    assert run(capfd, *interrupted)[0] == 0 and len(np.load(str(bert.parent / "x.npy"))) == len(LINES)


@pytest.mark.parametrize(
    "option, what",
    [
        (["--normalize"], "normalize"),
        (["--pooling", "max"], "pooling"),
        (["--maxlen", 7], "maxlen"),
        (["--case", "keep"], "case"),
    ],
)
def test_features_go_on_with_the_same_settings_only(capfd, interrupted, option, what):
    status, _, err = run(capfd, *interrupted, *option)
    assert status == 1 and f"comes from a run with another {what}; --restart" in err


@pytest.mark.parametrize(
    "damage",
    [
        lambda state, text: "",
        lambda state, text: text[: len(text) // 2],
        lambda state, text: "[]",
        lambda state, text: "null",
        lambda state, text: "[" * 100000,
        lambda state, text: b"\xff\xfe",
        lambda state, text: dict(state, rows=-1),
        lambda state, text: dict(state, rows="4"),
        lambda state, text: dict(state, rows=True),
        lambda state, text: dict(state, bytes=1.5),
        lambda state, text: dict(state, bytes=-128),
        lambda state, text: dict(state, crc=None),
        lambda state, text: dict(state, settings=3),
        lambda state, text: {key: value for key, value in state.items() if key != "rows"},
        lambda state, text: {key: value for key, value in state.items() if key != "settings"},
        lambda state, text: dict(state, rows=3),
        lambda state, text: dict(state, rows=10**30),
        lambda state, text: dict(state, bytes=state["bytes"] - 8),
        lambda state, text: dict(state, bytes=10**9),
        lambda state, text: dict(state, part_crc=1),
    ],
)
def test_a_damaged_state_is_named(capfd, tmp_path, interrupted, damage):
    path = tmp_path / "x.npy.part.json"
    text = path.read_text()
    value = damage(json.loads(text), text)
    value = json.dumps(value) if isinstance(value, dict) else value
    path.write_bytes(value if isinstance(value, bytes) else value.encode("utf-8"))
    status, out, err = run(capfd, *interrupted)
    assert (status, out) == (1, "") and err.startswith("error: ") and err.count("\n") == 1
    assert str(path) in err and "--restart begins anew" in err
    assert not (tmp_path / "x.npy").exists() and run(capfd, *interrupted, "--restart")[0] == 0


def test_damaged_rows_are_named(capfd, tmp_path, interrupted):
    part = tmp_path / "x.npy.part"
    data = bytearray(part.read_bytes())
    data[130] ^= 1
    part.write_bytes(bytes(data))
    status, _, err = run(capfd, *interrupted)
    assert status == 1 and f"{part} is damaged" in err


def test_a_state_that_is_over_does_not_matter(capfd, tmp_path, interrupted):
    """Killed between the two last steps: the output is there, its state too."""
    state = (tmp_path / "x.npy.part.json").read_text()
    assert run(capfd, *interrupted)[0] == 0
    (tmp_path / "x.npy.part.json").write_text(state)
    assert run(capfd, *interrupted)[0] == 0
    assert sorted(os.listdir(str(tmp_path))) == ["bert", "lines.txt", "x.npy"]


def test_two_runs_do_not_write_into_one_file(capfd, tmp_path, interrupted):
    with vectors.NpyFile(str(tmp_path / "x.npy"), {}, True):
        status, _, err = run(capfd, *interrupted)
    assert status == 1 and "x.npy.part: another run is writing this file" in err


def test_features_normalize(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "Model", CountingModel)
    arguments = ["features", goldens.ROOT / "google_bert", lines_file(tmp_path), "--quiet", "--output"]
    assert run(capfd, *arguments, tmp_path / "x.npy", "--normalize")[0] == 0
    assert run(capfd, *arguments, tmp_path / "y.npy")[0] == 0
    found, plain = (np.load(str(tmp_path / name)) for name in ("x.npy", "y.npy"))
    np.testing.assert_allclose(found, [row / np.linalg.norm(row) for row in plain], rtol=1e-6)
    assert features.normalized(np.zeros((1, 3), "float32")).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("command", ["features", "verify"])
def test_bad_utf8_is_named_with_file_and_line(capfd, tmp_path, monkeypatch, command):
    monkeypatch.setattr(features, "Model", CountingModel)
    path, folder = tmp_path / "bad.txt", goldens.ROOT / "google_bert"
    path.write_bytes(b"\xef\xbb\xbfgood\nbad \xff line\n")
    arguments = [folder, path, "--quiet"] if command == "features" else [folder, folder, "--text", path]
    status, _, err = run(capfd, command, *arguments)
    assert status == 1 and f"{path}, line 2: byte 0xff at position 4 of the line is not UTF-8" in err


def test_the_output_is_none_of_the_inputs(capfd, tmp_path, bert):
    lines_file(tmp_path).rename(tmp_path / "lines.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "lines.jsonl")
    for name in ("lines.jsonl", "link.jsonl"):
        status, _, err = run(capfd, "features", bert, tmp_path / "lines.jsonl", "--output", tmp_path / name)
        assert status == 1 and "which is read" in err
    (tmp_path / "x.npy").mkdir()
    status, _, err = run(capfd, "features", bert, tmp_path / "lines.jsonl", "--output", tmp_path / "x.npy", "--quiet")
    assert status == 1 and "is not a regular file" in err


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


def test_help_needs_no_docstrings():
    """`python -OO` takes them away."""
    command = [sys.executable, "-OO", "-m", "b4k3.models", "inspect", "--help"]
    assert b"examples:" in subprocess.check_output(command, stderr=subprocess.STDOUT)


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"b4k3-models {__version__}\n"


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
    command = ["inspect", str(goldens.ROOT / "google_bert"), "--json"]
    probe = (
        f"import sys; from b4k3.models.cli import main; status = main({command!r}); "
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.decode())["path"] == command[1]
    assert os.path.exists(command[1])
