"""Files that a task writes beside its checkpoint."""

import pytest

from b4k3.tasks.saving import copy_tokenizer


@pytest.mark.parametrize("name", ["sentencepiece.bpe.model", "spm.model", "spiece.model", "tokenizer.json"])
def test_a_vocabulary_keeps_the_name_that_says_which_ids_it_has(name, tmp_path):
    """The pieces of XLM-R have other ids than their model says, and only the name of the file tells it."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / name).write_bytes(b"vocabulary")
    copy_tokenizer(str(source), str(source / name), str(target), tokenizer=None)
    assert [path.name for path in target.iterdir()] == [name]
