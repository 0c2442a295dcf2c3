"""Which Keras the tasks need."""

import pytest

from b4k3.backend import BackendError
from b4k3.tasks import TextEncoder


def test_an_old_keras_is_refused_and_told_what_to_do(tmp_path, row):
    old = row in ("keras231-tf115", "keras231-tf22", "tfkeras-115", "tfkeras-22")
    expected, message = (
        (BackendError, "needs Keras 3, tf_keras or tf.keras 2.15") if old else (FileNotFoundError, "no-model")
    )
    with pytest.raises(expected, match=message):
        TextEncoder.from_folder(tmp_path / "no-model", pooling="mean")
