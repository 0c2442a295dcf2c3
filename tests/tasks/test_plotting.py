"""Pictures: the numbers and texts that a figure has. Pixels are not compared."""

import logging
import warnings

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.tasks import plot_confusion, plot_history, plot_similarity
from b4k3.tasks.plot_fonts import families_for
from support.plot_fonts import font_with

NOBODY_HAS = "\U00013000\U00013001"  # hieroglyphs


def drawn(figure):
    """Draw a figure, with every warning an error. Return the figure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert figure._repr_png_().startswith(b"\x89PNG")
    return figure


def names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def cells(axes):
    """{(row, column): the text in this cell}."""
    return {tuple(map(round, text.get_position()[::-1])): text.get_text() for text in axes.texts}


def test_picture_of_a_confusion():
    axes, bar = drawn(plot_confusion(["no", "yes", "yes"], ["no", "no", "yes"], names=["yes", "no"])).axes
    assert names(axes.yaxis) == names(axes.xaxis) == ["yes", "no"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("label", "predicted")
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.5, 0.5], [0, 1]])
    assert cells(axes) == {(0, 0): "1", (0, 1): "1", (1, 0): "0", (1, 1): "1"}
    assert bar.get_ylim() == (0, 1)
    many = drawn(plot_confusion(range(40), range(40)))
    assert not many.axes[0].texts and len(names(many.axes[0].yaxis)) == 40


def test_picture_of_similarities():
    matrix = np.array([[1, 0.25, -0.5]], "float32")
    figure = drawn(plot_similarity(["a"], matrix, columns=["a", "$\\frac a $ b\n c", "x" * 99]))
    axes, bar = figure.axes
    assert names(axes.yaxis) == ["a"] and names(axes.xaxis) == ["a", "$\\frac a $ b c", "x" * 29 + "…"]
    assert cells(axes) == {(0, 0): "1.00", (0, 1): "0.25", (0, 2): "-0.50"}
    assert bar.get_ylim() == (-0.5, 1)
    distances = plot_similarity(["a", "b"], [[0, -3], [-3, 0]]).axes[1]
    assert distances.get_ylim() == (-3, 0) or distances.get_ylim() == (-3, 1e-9)


@pytest.mark.parametrize(
    "texts, matrix, message",
    [
        (["a"], [[1, 2]], r"matrix is \[1, 2\], expected \[1, 1\]"),
        (["a"], [1], r"matrix is \[1\], expected \[1, 1\]"),
        (["a"], [[float("nan")]], "matrix has a NaN"),
        ([], [], "there are no texts"),
        ("ab", [[1, 1], [1, 1]], "texts: expected a list of str, got str"),
        ([1], [[1]], r"texts\[0\] is int, expected str"),
    ],
)
def test_similarities_that_do_not_fit(texts, matrix, message):
    with pytest.raises(ConfigError, match=message):
        plot_similarity(texts, matrix)


def test_picture_of_a_training():
    curves = {"loss": [3, 2, 1, 0.5], "accuracy": [0.1, 0.2, 0.3, 0.4], "val_loss": [4, 3], "learning_rate": [1] * 4}
    figure = drawn(plot_history(curves))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning_rate"]
    training, validation = figure.axes[0].lines
    assert training.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1], [4, 0.5]]
    assert validation.get_xydata().tolist() == [[2, 4], [4, 3]]  # validation_freq=2
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == ["training", "validation"]
    assert figure.axes[1].get_legend() is None and len(figure.axes[1].lines) == 1

    class History:
        history = {"loss": [1.0]}

    assert len(drawn(plot_history(History())).axes) == 1


@pytest.mark.parametrize(
    "history, message",
    [
        ([1, 2], "history is list, expected what fit returned"),
        ({"loss": 3}, "history is dict, expected what fit returned"),
        ({"loss": []}, "history has no epochs"),
        ({}, "history has no epochs"),
    ],
)
def test_a_history_that_is_none(history, message):
    with pytest.raises(ConfigError, match=message):
        plot_history(history)


def test_a_figure_that_is_given():
    from matplotlib.figure import Figure

    figure = Figure()
    assert plot_similarity(["a"], [[1]], figure=figure) is figure and len(figure.axes) == 2
    assert figure.get_layout_engine() is not None
    left, right = Figure(layout="constrained").subfigures(1, 2)
    assert plot_confusion([1], [1], figure=left) is left and plot_history({"loss": [1]}, figure=right) is right


def test_nothing_is_left_in_pyplot():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot_history({"loss": [1]})
    assert pyplot.get_fignums() == before


# --------------------------------------------------------------------------------------------------------------- fonts


@pytest.fixture
def fonts(monkeypatch):
    """The list of the fonts that are installed, with none but those of matplotlib itself."""
    from matplotlib import font_manager

    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(own))
    font_manager.fontManager._findfont_cached.cache_clear()
    yield font_manager.fontManager
    font_manager.fontManager._findfont_cached.cache_clear()


def test_a_font_that_has_chinese_is_taken(fonts, tmp_path, caplog):
    with pytest.warns(UserWarning, match="no installed font has 情 感, so the picture shows boxes"):
        plot_confusion(["情感"], ["情感"])
    fonts.addfont(font_with("情感", "Some Chinese", tmp_path / "a.ttf"))
    fonts.addfont(font_with("情感", "Noto Sans CJK SC", tmp_path / "b.ttf"))
    with caplog.at_level(logging.WARNING):
        for figure in (
            plot_confusion(["情感"], ["情感"]),
            plot_similarity(["情感"], [[1]]),
            plot_history({"情感": [1]}),
        ):
            drawn(figure)  # no glyph is missing
    assert not caplog.records
    assert families_for(["情感 a"])[-1] == "Noto Sans CJK SC" and "Noto Sans CJK SC" not in families_for(["abc"])


def test_characters_that_no_font_has(fonts, tmp_path):
    fonts.addfont(font_with("情", "Some Chinese", tmp_path / "a.ttf"))
    with pytest.warns(UserWarning, match=f"no installed font has {' '.join(NOBODY_HAS)}, so") as caught:
        plot_similarity([NOBODY_HAS + "情\u200d"], [[1]])
    assert caught[0].filename == __file__
