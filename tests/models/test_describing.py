"""What a network and a load report show of themselves, in a terminal and in a notebook."""

import html.parser
import re

import pytest

from b4k3.models import BERT, LoadReport, build_transformer_model
from b4k3.models.describing import MAX_ROWS, MAX_TEXT
from support.small_models import CONFIG, SMALL, spread


def rows(text):
    """The title, and {label: text} of the last row with each label."""
    title, *lines = text.splitlines()
    return title, dict(re.match(r"  (\S+(?: \S+)*?)   +(.*)", line).groups() for line in lines)


class Table(html.parser.HTMLParser):
    """The words of a table, its tags, and its attributes."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A BERT with a pooler, loaded from a file."""
    path = str(tmp_path_factory.mktemp("bert") / "bert_model.ckpt")
    model = build_transformer_model(CONFIG, with_pool=True, return_keras_model=False)
    spread(model).save_weights_as_checkpoint(path)
    return build_transformer_model(CONFIG, path, with_pool=True, return_keras_model=False)


def test_a_network(bert):
    title, found = rows(repr(bert))
    assert title == "BERT"
    assert found == {
        "network": "2 blocks, 2 heads, hidden_size 16, intermediate_size 24, vocab_size 20, max_position 32",
        "parameters": f"{bert.model.count_params():,}, all trainable, float32",
        "heads": "pooler",
        "inputs": "Input-Token, Input-Segment",
        "outputs": "[batch, 16]",
        "checkpoint": f"{bert.load_report.path} (google names)",
        "loaded": "complete: 39 variables",
    }
    assert str(bert) == repr(bert)


def test_a_network_that_is_partly_frozen_or_not_built_or_not_initialised():
    network = BERT(**{key: value for key, value in SMALL.items() if not key.endswith("prob")})
    assert rows(repr(network))[1]["model"] == "not built yet"
    network.build()
    assert rows(repr(network))[1]["checkpoint"] == "none: the weights are as they were initialised"
    network.layers["Embedding-Token"].trainable = False
    total = network.model.count_params()
    assert rows(repr(network))[1]["parameters"] == f"{total:,}, {total - 20 * 16:,} trainable, float32"
    assert rows(repr(BERT.__new__(BERT)))[1] == {"network": "not initialised yet"}


def test_two_halves():
    config = dict(SMALL, hidden_act="relu", num_decoder_layers=1)
    found = rows(repr(build_transformer_model(config, model="t5", return_keras_model=False)))[1]
    assert found["network"].startswith("2 + 1 blocks, 2 heads")
    assert found["inputs"] == "Encoder-Input-Token, Decoder-Input-Token"


def report(**lists):
    made = LoadReport("folder/model.ckpt", "google")
    made.loaded = [("Embedding-Token", "bert/embeddings/word_embeddings", (20, 16))]
    for name, values in lists.items():
        setattr(made, name, values)
    return made


VERDICTS = [
    ({}, "complete: 1 variable"),
    ({"loaded": []}, "incomplete: 0 variables"),
    ({"missing": [("Norm", "bert/norm/beta", (16,))] * 2}, "incomplete: 1 variable; 2 missing"),
    (
        {"mismatched": [("Norm", "beta", (8,), (16,))], "unread": ["bert/x", "bert/y", "bert/z"]},
        "incomplete: 1 variable; 1 of another shape; 3 not read",
    ),
    ({"not_floats": [("Norm", "beta", "int8")]}, "incomplete: 1 variable; 1 without floating-point numbers"),
    (
        {"initialized": [("Norm", "beta"), ("Norm", "gamma")]},
        "incomplete: 1 variable; only the model has 2 (Norm beta, …)",
    ),
    ({"resized": [("Norm", "beta", (8,), (16,))]}, "complete: 1 variable"),
]


@pytest.mark.parametrize("lists, verdict", VERDICTS)
def test_the_verdict(lists, verdict):
    title, found = rows(repr(report(**lists)))
    assert title == "LoadReport" and found["file"] == "folder/model.ckpt" and found["names"] == "google"
    assert found["loaded"] == verdict
    assert found.get("problem") == (report(**lists).problems() or [None])[-1]


def test_what_a_report_shows_besides():
    unexpected = [("adam_m", "optimizer slot"), ("adam_v", "optimizer slot"), ("counter", None)]
    found = rows(repr(report(unexpected=unexpected, resized=[("Norm", "beta", (8,), (16,))], notes=["look here"])))[1]
    assert found["file only"] == "optimizer slot: 2 (adam_m, …)" and found["note"] == "look here"
    assert found["resized"] == "beta [8] -> [16] for Norm"
    assert "file only   not used: counter" in repr(report(unexpected=unexpected))


def test_it_fits_on_one_screen():
    long = repr(report(missing=[("Norm", f"variable {i} " + "x" * 999, (16,)) for i in range(500)]))
    lines = long.splitlines()
    assert len(lines) == MAX_ROWS + 1 and lines[-1].split() == ["…", "484", "more"]
    assert max(map(len, lines)) <= MAX_TEXT + 12
    assert "500 missing" in long and "variable 15 " in long and "variable 16 " not in long


NASTY = "<script>alert(1)</script>\"'&\x1b[31m\n\u202e\ud800"


def test_file_names_are_escaped(bert):
    shown = report(notes=[NASTY])
    shown.path = NASTY
    assert not set("\x1b\u202e\ud800") & set(repr(shown)) and len(repr(shown).splitlines()) == 5
    table = Table(shown._repr_html_())
    assert "script" not in table.tags and NASTY.partition("\x1b")[0] in "".join(table.words)
    shown._repr_html_().encode("utf-8")


def test_the_table_of_a_notebook(bert):
    for shown in (bert, bert.load_report):
        table = Table(shown._repr_html_())
        title, found = rows(repr(shown))
        assert table.words == [title] + [word for row in found.items() for word in row]
        assert set(table.tags) == {"table", "caption", "tr", "th", "td"}
        assert {name for name, _ in table.attributes} == {"style", "scope"}  # nothing is loaded from anywhere
        styles = " ".join(value for name, value in table.attributes if name == "style")
        assert set(re.findall(r"color:([^;\s]+)", styles)) == {"inherit"} and "background" not in styles
