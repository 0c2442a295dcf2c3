"""Resizing by repeated windows."""

import numpy as np
import pytest

from b4k3.backend import orthogonally_resize

rng = np.random.RandomState(0)


def oracle(a, shape, window=2):
    """Window after window along each axis, copied one element at a time."""
    before = np.sqrt((a**2).sum())
    for axis, size in enumerate(shape):
        old = a.shape[axis]
        order = []
        if size <= old:
            order = list(range(size))
        else:
            copies = -(-size // old)
            for start in range(0, old, window):
                for _ in range(copies):
                    order += list(range(start, start + window))
        a = np.stack([np.moveaxis(a, axis, 0)[i] for i in order[:size]])
        a = np.moveaxis(a, 0, axis)
    return a * before / np.sqrt((a**2).sum())


@pytest.mark.parametrize("shape", [(4, 6), (8, 12), (8, 6), (3, 2), (7, 9), (12, 3)])
def test_resize(shape):
    a = rng.randn(4, 6)
    copy = a.copy()
    got = orthogonally_resize(a, shape)
    assert got.shape == shape and (a == copy).all()
    np.testing.assert_allclose(got, oracle(a, shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(got), np.linalg.norm(a))


def test_wider_windows_and_vectors():
    a = np.arange(1.0, 7)
    got = orthogonally_resize(a, (12,), window=3)
    assert (got / got[0]).round(9).tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]


def test_columns_stay_orthogonal():
    q = np.linalg.qr(rng.randn(4, 4))[0]
    got = orthogonally_resize(q, (8, 4))
    np.testing.assert_allclose(got.T @ got, np.eye(4), atol=1e-12)


def test_zeros():
    assert (orthogonally_resize(np.zeros((2, 2)), (4, 4)) == 0).all()


def test_refusals():
    with pytest.raises(ValueError, match="the ranks differ"):
        orthogonally_resize(np.ones((2, 2)), (4,))
    with pytest.raises(ValueError, match="axis 1 from 3 to 6: 3 is no multiple of 2"):
        orthogonally_resize(np.ones((2, 3)), (4, 6))
