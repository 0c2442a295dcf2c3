"""SentencePiece models and texts that hypothesis thinks of, against their educational twins."""

import pytest

from b4k3.tokenizers import SentencePieceModel
from support.sentencepiece_models import BPE, UNIGRAM, Twin, build

SPACE = "\u2581"


def vocabularies():
    """Dicts of piece -> score. The scores make many segmentations equally good, or nearly so."""
    from hypothesis import strategies as st

    pieces = st.text(alphabet="ab" + SPACE + "天", min_size=1, max_size=4)
    scores = st.sampled_from([-0.5, -1.0, -1.1, -2.0, -2.2, -3.3, -40.1])
    return st.dictionaries(pieces, scores, min_size=1, max_size=12)


@pytest.mark.parametrize("kind", [UNIGRAM, BPE])
def test_ids_are_those_of_the_twin(kind):
    from hypothesis import given, settings, strategies as st

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(vocabularies(), st.lists(st.text(alphabet="ab 天x" + SPACE, max_size=30), max_size=4))
    def check(scores, texts):
        model = SentencePieceModel.from_bytes(build(scores.items(), {"model_type": kind}))
        twin = Twin(model._spec)
        want = [twin.encode(model.normalize(text)) for text in texts]
        assert model.encode_batch(texts) == [ids for ids, _ in want]
        assert [(model.encode(text), model.tokenize(text)) for text in texts] == want
        assert [twin.algorithm.encode(model.normalize(text)) for text in texts] == [ids for ids, _ in want]

    check()
