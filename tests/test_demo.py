"""The demo: its embeddings are those of transformers on the same files, and it runs on a folder of the user's own."""

import sys

import numpy as np
import pytest

from support.workspace import ROOT, load_script


@pytest.fixture(scope="module")
def demo():
    return load_script(ROOT / "demo" / "demo.py")


@pytest.fixture(scope="module")
def folder(demo, tmp_path_factory):
    target = tmp_path_factory.mktemp("demo") / "google"
    demo.write_google_checkpoint(demo.minilm_folder(), target)
    return target


@pytest.fixture(scope="module")
def expected():
    return np.load(str(ROOT / "tests" / "golden" / "minilm" / "expected.npz"))


def test_folder_is_like_googles(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "bert_config.json",
        "vocab.txt",
        "bert_model.ckpt.index",
        "bert_model.ckpt.data-00000-of-00001",
    }


def test_embeddings_are_those_of_transformers(demo, folder, expected):
    encoder = demo.SentenceEncoder(folder)
    sentences = [str(sentence) for sentence in expected["sentences"]]
    ids = [encoder.tokenizer.encode(sentence)[0] for sentence in sentences]
    np.testing.assert_array_equal(demo.sequence_padding(ids), expected["input_ids"])
    for batch_size in (len(sentences), 4):
        vectors = encoder.encode(sentences, batch_size=batch_size)
        np.testing.assert_allclose(vectors, expected["embeddings"], rtol=0, atol=1e-5)


def test_command_line_with_a_folder_of_ones_own(demo, folder, capsys):
    demo.main(["--checkpoint", str(folder), "A cat sleeps.", "The cat is asleep."])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("A cat sleeps.") for line in lines)
    first_row = next(line.split() for line in lines[lines.index("Similarity, the cosine") + 2 :])
    assert first_row[:2] == ["1", "1.00"] and 0.5 < float(first_row[2]) < 1
    assert "without TensorFlow" in lines[-1] and "tensorflow" not in sys.modules


def test_folder_without_a_config(demo, tmp_path):
    with pytest.raises(SystemExit, match="expected one .*config.*json, found none"):
        demo.find_config(tmp_path)
