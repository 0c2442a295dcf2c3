"""Pooling over the real tokens."""

import numpy as np
import pytest

from b4k3.layers import FirstToken, GlobalAveragePooling1D, GlobalMaxPooling1D
from support.layer_checks import check_layer


def pool(function):
    """Example by example over the tokens that are there."""

    def oracle(weights, arrays, masks):
        out = []
        for i, x in enumerate(arrays[0]):
            out.append(function(x if masks[0] is None else x[masks[0][i] > 0]))
        return np.stack(out)

    return oracle


POOLS = [
    (GlobalAveragePooling1D, lambda x: x.mean(0)),
    (GlobalMaxPooling1D, lambda x: x.max(0)),
    (FirstToken, lambda x: x[0]),
]


@pytest.mark.parametrize("masked", [(), (0,)])
@pytest.mark.parametrize("cls, function", POOLS)
def test_pooling(cls, function, masked, tmp_path):
    check_layer(
        lambda: cls(name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32") - 3],
        pool(function),
        masked=masked,
        tmp=tmp_path,
    )
