"""No message of an error is longer than 2,000 characters, whatever a file holds."""

import pickle

import pytest

from b4k3.models.checkpoints import CheckpointError
from b4k3.models.errors import ConfigError, shorten


@pytest.mark.parametrize("length", [0, 1, 1999, 2000, 2001, 10**6])
def test_shorten(length):
    text = "a" * (length // 2) + "b" * (length - length // 2)
    short = shorten(text)
    assert len(short) == min(length, 2000) and (short == text or (short[0], short[-1]) == ("a", "b"))
    assert " … " in short or short == text
    assert len(shorten(text, 50)) <= 50


@pytest.mark.parametrize("error", [ConfigError, CheckpointError])
def test_errors_shorten_their_message(error):
    raised = error("config.json: " + "x" * 10**5 + ". What to do: read it.")
    assert len(str(raised)) == 2000
    assert str(raised).startswith("config.json: ") and str(raised).endswith("What to do: read it.")
    assert str(pickle.loads(pickle.dumps(raised))) == str(raised)
    assert str(error()) == "" and str(error("short")) == "short" and isinstance(raised, ValueError)
