"""Folders of Hugging Face that have only `pytorch_model.bin`: beside the same folder with safetensors."""

import json
import shutil

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.cli import main
from b4k3.models.cli.subject import Subject
from support import goldens, torch_files as t

BERT = goldens.ROOT / "huggingface" / "bert"


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    goldens.forget()


@pytest.fixture(scope="module")
def tensors():
    with open_checkpoint(str(BERT)) as checkpoint:
        return {name: np.array(checkpoint[name]) for name in checkpoint}


def old_names(tensors):
    """The names of 2018, and the buffer that transformers 3 added."""
    pairs = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, array in tensors.items():
        end = next((end for end in pairs if name.endswith(end)), "")
        renamed[name[: len(name) - len(end)] + pairs.get(end, "")] = array
    return dict(renamed, **{"bert.embeddings.position_ids": np.arange(40)[None]})


def prefixed(prefix):
    return lambda tensors: {prefix + name: array for name, array in tensors.items()}


VARIANTS = {
    "as it is": (dict, "zip"),
    "before PyTorch 1.6": (dict, "stream"),
    "names of 2018": (old_names, "stream"),
    "of DistributedDataParallel": (prefixed("module."), "zip"),
    "of lightning": (prefixed("model."), "zip"),
}


def folder_of(path, tensors, layout="zip"):
    path.mkdir()
    shutil.copy(str(BERT / "config.json"), str(path))
    t.save(path / "pytorch_model.bin", tensors, layout)
    return path


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_same_weights_as_of_safetensors(tmp_path, tensors, name):
    change, layout = VARIANTS[name]
    found = Subject(str(folder_of(tmp_path / "folder", change(tensors), layout)))
    found.require()
    wanted = Subject(str(BERT)).view
    assert set(found.view.keys()) == set(wanted.keys())
    assert all(np.array_equal(found.view[name], wanted[name]) for name in wanted.keys())


def outputs(folder):
    """All that a folder answers, and its report."""
    z = np.load(str(BERT / "expected.npz"))
    heads = {"with_nsp": True, "with_mlm": "linear"}
    transformer = build_transformer_model(str(folder), return_keras_model=False, **heads)
    return goldens.predict(transformer.model, [z["ids"], z["segments"]]), transformer.load_report


def test_the_same_numbers_as_of_safetensors(tmp_path, tensors):
    found, report = outputs(folder_of(tmp_path / "folder", old_names(tensors), "stream"))
    for got, want in zip(found, outputs(BERT)[0]):
        assert np.array_equal(got, want)
    assert all(kind for _, kind in report.unexpected), report.unexpected


def run(capfd, *arguments):
    status = main([str(argument) for argument in arguments])
    return (status,) + tuple(capfd.readouterr())


def test_commands(tmp_path, capfd, tensors):
    folder = folder_of(tmp_path / "old", tensors)
    status, out, err = run(capfd, "inspect", folder, "--json")
    facts = json.loads(out)
    assert status == 0 and facts["container"] == "torch" and facts["problems"] == [], err
    assert run(capfd, "verify", folder)[0] == 0
    assert run(capfd, "verify", folder, BERT, "--variables")[0] == 0
    status, _, err = run(capfd, "convert", folder, tmp_path / "new", "--to", "huggingface")
    assert status == 0, err
    with open_checkpoint(str(tmp_path / "new")) as new:
        assert new.format == "safetensors" and set(new) == set(tensors)
        assert all(np.array_equal(new[name], tensors[name]) for name in tensors)


def test_such_files_are_not_written(tmp_path, capfd, tensors):
    folder = folder_of(tmp_path / "old", tensors)
    for target in ("new.bin", "new.pt", "new"):
        status, _, err = run(capfd, "convert", folder, tmp_path / target)
        assert status == 1 and "cannot be written" in err and "safetensors" in err
        assert not (tmp_path / target).exists()
