"""The golden values of the tokenizers, which are kept compressed."""

import atexit
import json
import lzma
import shutil
import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path

WORDPIECE = Path(__file__).parent.parent / "golden" / "wordpiece"
SENTENCEPIECE = Path(__file__).parent.parent / "golden" / "sentencepiece"


def models_meta():
    """{name of a SentencePiece model: how it was trained and what the C++ library says of it}."""
    return json.loads((SENTENCEPIECE / "meta.json").read_text(encoding="utf-8"))["models"]


@lru_cache(maxsize=2)
def rows(path):
    """The values of a `.jsonl.xz` file, one a line."""
    with lzma.open(str(path), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


@lru_cache(maxsize=None)
def models_folder():
    folder = Path(tempfile.mkdtemp(prefix="b4k3-models-"))
    atexit.register(shutil.rmtree, str(folder), ignore_errors=True)
    with tarfile.open(str(SENTENCEPIECE / "models.tar.xz")) as archive:
        for member in archive:
            (folder / member.name).write_bytes(archive.extractfile(member).read())
    return folder


def model_path(name):
    """The path, a string, of a SentencePiece model; all are unpacked once per process."""
    return str(models_folder() / (name + ".model"))
