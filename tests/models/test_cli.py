"""The command line `b4k3`: what its commands say, write and refuse."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import goldens
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.cli import COMMANDS, main
from b4k3.models.cli.inspect import describe
from b4k3.models.cli.source import Source

ENCODERS = "google_bert google_albert google_albert_groups google_electra nezha roformer roformer_v2 gau_alpha".split()


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
    source = Source(str(goldens.ROOT / system), model=model)
    facts = describe(source)
    assert facts["problems"] == []
    from b4k3.models.registry import architecture

    mapping = architecture(source.model)(**source.config).variable_mapping()
    if model == "electra_generator":  # inherits the names of a head that it never makes
        mapping = {layer: names for layer, names in mapping.items() if not layer.startswith("Discriminator")}
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
