"""docs/custom-models.md: its code runs as it stands, and what it says comes true."""

import pathlib
import re

import numpy as np

from b4k3.backend import row

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "custom-models.md"
TRAINS = row.backend != "numpy"


def code_of_the_page():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def without_training(block):
    return "\n".join(line for line in block.splitlines() if ".fit(" not in line)


def test_the_code_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in code_of_the_page():
        exec(block if TRAINS else without_training(block), names)
    if TRAINS:
        losses = names["history"].history["loss"]
        assert losses[-1] < 0.7 * losses[0]
        assert np.mean(np.concatenate(names["found"]) == names["labels"][names["ids"] > 0]) > 0.6
    ids = names["ids"]
    outputs = np.asarray(names["outputs"])
    assert (np.isinf(outputs).all(-1) == (ids == 0)).all()
    again = names["loaded"].predict_on_batch(ids[:32, :8])  # loading changes nothing, and padding does not either
    np.testing.assert_allclose(again, outputs[:32, :8], rtol=1e-5, atol=1e-5)
