"""Tags are those of the pipeline of transformers: offsets and labels equal, scores to 1e-5.

`python tests/huggingface/tasks/tagging_cases.py` compares more networks, strategies and options.
"""

import numpy as np
import pytest

from huggingface.tasks import tagging_cases

NAMES = ["bert", "albert", "distilbert", "roberta", "deberta_v2"]
OPTIONS = [{"aggregation": "simple"}, {"aggregation": "average", "stride": 8}, {"aggregation": "max"}]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:. of 7 texts have more than", "ignore:Tokenizer does not support real words")
def test_tags(name, tmp_path):
    worst, count = tagging_cases.compare_tags(name, tmp_path / "it", OPTIONS if name == "bert" else OPTIONS[:2])
    assert worst <= 1e-5 and count > 20


def test_transformers_loads_a_tagger_that_was_trained(tmp_path):
    import transformers

    from b4k3.tasks import TokenTagger

    tagging_cases.write("bert", "TokenClassification", tmp_path / "it")
    tagger = TokenTagger.from_folder(tmp_path / "it", labels=["CITY", "NAME"], new_head=True)
    tagger.fit(tagging_cases.TEXTS[:2], [[(42, 47, "CITY")], [(0, 2, "NAME")]], epochs=2, learning_rate=1e-2, verbose=0)
    tagger.save(tmp_path / "ours")
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "ours")
    assert type(model).__name__ == "BertForTokenClassification" and model.config.id2label[1] == "B-CITY"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    texts = tagging_cases.TEXTS[:3]
    want = tagging_cases.tagged(model, tokenizer, texts, aggregation_strategy="simple", ignore_labels=[])
    got = tagger.predict(texts, ignore=[])
    assert [[span[:3] for span in row] for row in got] == [[span[:3] for span in row] for row in want]
    scores = [[[span[3] for span in row] for row in rows] for rows in (got, want)]
    np.testing.assert_allclose(np.concatenate(scores[0]), np.concatenate(scores[1]), atol=1e-5)
