"""docs/custom-models.md: its code runs as it stands, and what it says comes true."""

import pathlib
import re

import numpy as np
import pytest

from b4k3.backend import row

DOCS = pathlib.Path(__file__).parents[2] / "docs"
TRAINS = row.backend != "numpy"


def code(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def without_training(block):
    return "\n".join(line for line in block.splitlines() if ".fit(" not in line)


def test_the_code_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in code("custom-models.md"):
        exec(block if TRAINS else without_training(block), names)
    if TRAINS:
        losses = names["history"].history["loss"]
        assert losses[-1] < 0.7 * losses[0]
        assert np.mean(np.concatenate(names["found"]) == names["labels"][names["ids"] > 0]) > 0.6
    ids = names["ids"]
    outputs = np.asarray(names["outputs"])
    assert (np.isinf(outputs).all(-1) == (ids == 0)).all()
    loaded = names["loaded"]
    np.testing.assert_allclose(loaded.predict_on_batch(ids), outputs, rtol=1e-5, atol=1e-5)
    shorter = loaded.predict_on_batch(ids[:32, :8])  # padding changes nothing
    np.testing.assert_allclose(shorter, outputs[:32, :8], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("page", ["custom-models.zh-CN.md"])
def test_translations_have_the_same_code(page):
    assert code(page) == code("custom-models.md")
