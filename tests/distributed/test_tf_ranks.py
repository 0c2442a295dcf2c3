"""Two devices by a strategy of TensorFlow equal one device. The script has more optimizers."""

import pytest

from b4k3.backend import row
from support.workspace import ROOT, load_script

# MultiWorkerMirroredStrategy of Keras 3 predicts, but fit and evaluate fail in Keras: docs/cluster.md
STRATEGIES = ("mirrored",) if row.is_keras3 else ("mirrored", "workers")
TRAINED = {"before", "losses", "evaluated", "after"}  # weights that get no gradient but rounding errors may differ


@pytest.fixture(scope="module")
def script():
    return load_script(ROOT / "tests" / "distributed" / "tf_ranks.py")


def test_strategies_equal_one_device(script):
    asked = script.parse(["--optimizers", "ours_adam", "--timeout", "550", "--without-generate"])
    asked.strategies = STRATEGIES
    compared = script.compare(asked)
    assert len(compared) == 1 + 2 * ("workers" in STRATEGIES)
    for answers in compared.values():
        found = {key.partition(":")[2]: value for key, value in answers.items()}
        assert {key: value for key, value in found.items() if key.endswith("error")} == {}
        assert TRAINED <= set(found) and all(found[key] <= 1e-6 for key in TRAINED), found
