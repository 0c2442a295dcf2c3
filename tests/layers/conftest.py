"""Each test starts with an empty graph, so that names of weights do not depend on the order of tests."""

import pytest


@pytest.fixture(autouse=True)
def empty_graph():
    from b4k3.backend import keras

    keras.backend.clear_session()
    yield
