"""`b4k3 convert` against the TensorFlow converter that transformers had: the files are the same."""

import numpy as np
import pytest

from b4k3.models.cli import main
from huggingface import references
from support import goldens


@pytest.mark.parametrize("key", sorted(references.CONVERTED))
def test_the_same_names_and_bytes(key, tmp_path):
    from safetensors.numpy import load_file

    system, model = key.split(":")
    theirs = references.convert(key)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    source, target = str(goldens.ROOT / system), str(tmp_path / "ours")
    assert main(["convert", source, target, "--to", "huggingface", "--model", model]) == 0
    wanted, found = (load_file(str(tmp_path / name / "model.safetensors")) for name in ("theirs", "ours"))
    assert set(found) == set(wanted)
    for name in wanted:
        assert found[name].dtype == wanted[name].dtype
        np.testing.assert_array_equal(found[name], wanted[name])
    assert references.digests(theirs) == references.stored_digests()[key]  # what the other environments compare with
