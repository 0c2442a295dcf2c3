"""The numbers below the pictures, and what is said without matplotlib. test_plotting.py has the pictures."""

import sys

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.tasks import confusion_matrix, plot_confusion, plot_history, plot_similarity


def test_confusion_matrix():
    random = np.random.RandomState(0)
    right, predicted = random.randint(0, 4, 200), random.randint(0, 3, 200)
    found = confusion_matrix(right, predicted)
    want = [[np.sum((right == i) & (predicted == j)) for j in range(4)] for i in range(4)]
    assert found.matrix.dtype == np.int64 and found.matrix.tolist() == want and found.names == [0, 1, 2, 3]
    order = [3, 1, 0, 2, 9]
    moved = confusion_matrix(right, predicted, names=order).matrix
    assert moved[:4, :4].tolist() == found.matrix[np.ix_(order[:4], order[:4])].tolist() and not moved[4].any()
    assert confusion_matrix([1, "b"], ["b", 1]).names == [1, "b"]
    assert confusion_matrix([], []).matrix.shape == (0, 0)
    assert confusion_matrix(iter("ab"), (label for label in "ab")).matrix.tolist() == [[1, 0], [0, 1]]


WRONG_LABELS = [
    ((["a"], ["a", "b"]), "1 labels and 2 predictions"),
    ((["a"], ["b"], ["a"]), "predictions has 'b', which names does not have"),
    ((["c"], ["a"], ["a"]), "labels has 'c', which names does not have"),
    ((["a"], ["a"], ["a", "a"]), "names has a label twice"),
    (([["a", "b"]], ["a"]), r"labels\[0\] is list, expected str or int"),
    ((["a"], [0.5]), r"predictions\[0\] is float, expected str or int"),
    (("ab", ["a", "b"]), "labels: expected a list of str or int, got str"),
    ((None, []), "labels: expected a list of str or int, got NoneType"),
]


@pytest.mark.parametrize("arguments, message", WRONG_LABELS)
def test_labels_that_do_not_fit(arguments, message):
    with pytest.raises(ConfigError, match=message):
        confusion_matrix(*arguments)
    with pytest.raises(ConfigError, match=message):
        plot_confusion(*arguments)


@pytest.mark.parametrize(
    "plot, arguments",
    [(plot_confusion, (["a"], ["a"])), (plot_history, ({"loss": [1.0]},)), (plot_similarity, (["a"], [[1.0]]))],
)
def test_matplotlib_that_is_not_installed(plot, arguments, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):  # the second one may be loaded already
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pictures need matplotlib: pip install "b4k3-tasks\[plot\]"'):
        plot(*arguments)
