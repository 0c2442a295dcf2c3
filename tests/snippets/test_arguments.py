import inspect

import pytest

from b4k3.snippets import delete_arguments, insert_arguments


class Base:
    def __init__(self, size, rate=0.1, **kwargs):
        self.size, self.rate, self.rest = size, rate, kwargs


class Wider(Base):
    @insert_arguments(depth=2, name=None)
    def __init__(self, *args, **kwargs):
        """Documented."""
        self.seen = self.depth
        super().__init__(*args, **kwargs)


class Narrower(Base):
    @delete_arguments("rate", "other")
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


def test_inserted_arguments_are_attributes():
    wider = Wider(3, depth=5, rate=0.2, more=1)
    assert (wider.size, wider.rate, wider.depth, wider.seen, wider.name, wider.rest) == (
        3,
        0.2,
        5,
        5,
        None,
        {"more": 1},
    )
    assert Wider(3).depth == 2


def test_inserted_arguments_are_in_the_signature():
    parameters = inspect.signature(Wider.__init__).parameters
    assert list(parameters) == ["self", "args", "depth", "name", "kwargs"] and parameters["depth"].default == 2
    assert Wider.__init__.__doc__ == "Documented."


def test_deleted_arguments_are_refused():
    assert Narrower(3).rate == 0.1
    with pytest.raises(TypeError, match="Narrower takes no keyword argument 'rate'"):
        Narrower(3, rate=0.2)
