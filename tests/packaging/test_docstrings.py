"""Public names have types and a docstring of the form in CONTRIBUTING.md."""

import pytest

from support.docstrings import faults
from support.workspace import module_name, sources


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_docstrings_are_complete(path):
    assert not faults(path)


BROKEN = '''
def scale(x, factor: float = 1.0):
    """Scale x. Returns: float.

    Returns:
        float.

    Arguments:
        x: float, [...]. The numbers.
        size: int. An argument that is gone.
    """


def shift(x: float) -> float:
    """Add one"""


def helper(x: float) -> None:
    pass


class Scale:
    """Scale numbers."""

    def __init__(self, factor) -> None:
        self.factor = factor
'''
FAULTS = """
the module has no docstring
scale: without annotation: x
scale: without annotation of what it returns
scale: a section does not have a line of its own: Scale x. Returns: float.
scale: the sections are not in the order Arguments, Returns, Yields, Raises, Example
scale: the argument factor is not explained
scale: there is no argument size
shift: the first line is no sentence
shift: the argument x is not explained
shift: does not say what it returns
helper: has no docstring
Scale: the argument factor is not explained
Scale: has no Example with lines of >>>
Scale.__init__: without annotation: factor
"""


def test_faults_are_found(tmp_path):
    path = tmp_path / "src" / "b4k3" / "layers" / "broken.py"
    path.parent.mkdir(parents=True)
    path.write_text(BROKEN, encoding="utf-8")
    assert faults(path) == FAULTS.strip().splitlines()
