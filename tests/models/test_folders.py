"""The configuration files of a folder, among the many other files that lie there."""

import json
import os
import shutil

import pytest

from b4k3.models.errors import ConfigError
from b4k3.models.folders import GIN, OTHER_JSON, PUBLISHED, configs_in
from support import goldens

BERT = {"vocab_size": 120, "hidden_size": 32}


def write(folder, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)


def names(folder):
    return [os.path.basename(found.path) for found in configs_in(str(folder))]


def test_order_of_trust(tmp_path):
    write(tmp_path, notes__json=BERT, my_config_2__json=BERT, generator__json=BERT, x_config__json=BERT)
    write(tmp_path, electra_config__json=BERT, config__json=BERT, roberta_config__json=BERT)
    shutil.copy(str(goldens.ROOT / "t5_1_1" / "operative_config.gin"), str(tmp_path))
    found = configs_in(str(tmp_path))
    assert [os.path.basename(one.path) for one in found] == [
        "config.json",
        "electra_config.json",
        "roberta_config.json",
        "x_config.json",
        "generator.json",
        "my_config_2.json",
        "notes.json",
        "operative_config.gin",
    ]
    assert [one.rank for one in found] == [PUBLISHED] * 6 + [OTHER_JSON, GIN]
    assert found[0].config == BERT and found[0].path == str(tmp_path / "config.json")


def test_folder_of_all_minilm(tmp_path):
    """As sentence-transformers publishes it."""
    write(tmp_path, config__json=dict(BERT, model_type="bert"), data_config__json=[{"name": "a.jsonl.gz", "weight": 1}])
    write(tmp_path, config_sentence_transformers__json={"__version__": {}}, modules__json=[{"idx": 0}])
    write(tmp_path, sentence_bert_config__json={"max_seq_length": 256}, special_tokens_map__json={"cls_token": "[CLS]"})
    write(
        tmp_path,
        tokenizer_config__json=dict(BERT),
        tokenizer__json={"model": {}},
        vocab__json={"vocab_size": 1, "dim": 2},
    )
    write(tmp_path, train_script__py="", README__md="", generation_config__json={"vocab_size": 3, "dim": 1})
    assert names(tmp_path) == ["config.json"]


@pytest.mark.parametrize("key", ["hidden_size", "d_model", "n_embd", "dim"])
def test_content_decides(tmp_path, key):
    write(tmp_path, anything__json={"vocab_size": 3, key: 2}, other__json={key: 2}, third__json={"vocab_size": 3})
    assert names(tmp_path) == ["anything.json"]


def test_an_unknown_network_is_not_taken_for_none(tmp_path):
    write(tmp_path, config__json={"model_type": "clip"}, notes__json={"model_type": "clip"})
    assert names(tmp_path) == ["config.json"]


@pytest.mark.parametrize("system", sorted(os.listdir(str(goldens.ROOT))))
def test_golden_folders(system):
    """Every configuration of a publisher is found."""
    folder = goldens.ROOT / system
    if folder.is_dir():
        wanted = {path.name for path in folder.iterdir() if path.suffix in (".json", ".gin")}
        wanted -= {"converted.json", "meta.json", "ties.json", "differences.json", "metadata.json"}
        wanted -= {"dev.json", "dev-3d.json"}  # of optimizers
        assert set(names(folder)) == wanted


BROKEN = [
    "{",
    "[1]",
    '{"a": NaN}',
    '{"vocab_size": 1, "vocab_size": 2}',
    "\0",
    "",
    "version https://git-lfs.github.com/spec/v1\n",
]


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("name", ["config__json", "bert_config__json", "albert_config_tiny__json", "hf_config__json"])
def test_broken_files_with_the_names_of_publishers_are_refused(tmp_path, name, content):
    write(tmp_path, other__json=BERT, **{name: content})
    with pytest.raises(ConfigError, match=name.replace("__", ".")):
        configs_in(str(tmp_path))


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("name", ["notes__json", "data_config__json", "my_config_2__json", "tokenizer_config__json"])
def test_other_broken_files_are_passed_over(tmp_path, name, content):
    write(tmp_path, config__json=BERT, **{name: content})
    assert names(tmp_path) == ["config.json"]


def test_a_broken_gin_file(tmp_path):
    write(tmp_path, operative_config__gin="d_ff = 3", z__json=BERT)
    assert names(tmp_path) == ["z.json"]
    os.unlink(str(tmp_path / "z.json"))
    with pytest.raises(ConfigError, match="not the gin file of a T5"):
        configs_in(str(tmp_path))


def test_what_is_no_file_is_passed_over(tmp_path):
    for name in ("my_config.json", "generation_config.json", "a.json", "operative_config.gin"):
        os.mkfifo(str(tmp_path / name))
        os.symlink("/dev/zero", str(tmp_path / ("zero-" + name)))
        os.symlink("nowhere", str(tmp_path / ("dangling-" + name)))
        os.symlink("loop-" + name, str(tmp_path / ("loop-" + name)))
        os.mkdir(str(tmp_path / ("folder-" + name)))
    assert names(tmp_path) == []
    write(tmp_path, electra_config__json=BERT)
    assert names(tmp_path) == ["electra_config.json"]


def test_large_files_are_passed_over(tmp_path):
    write(tmp_path, config__json=BERT)
    for name, size in (("notes.json", 2 << 20), ("bert_config.json", 20 << 20)):
        with open(str(tmp_path / name), "wb") as file:
            file.truncate(size)
    assert names(tmp_path) == ["config.json"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        configs_in(str(tmp_path / "nothing"))
