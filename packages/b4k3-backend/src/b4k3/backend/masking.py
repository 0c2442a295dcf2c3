"""Masks over sequences, and attention scores turned into weights."""

from __future__ import annotations

import math

from ._attention import lowest
from ._row import ops
from .tensors import align, dtype, where


def sequence_masking(x, mask=None, value=0, axis=None, bias=None, return_mask=False):
    """Write a value where a sequence has no element.

    Arguments:
        x: [batch, ..., n, ...].
        mask: [batch, n], true (or 1) where there is an element; or None.
        value: what is written elsewhere; ±inf, also as the strings '-inf' and 'inf', is allowed.
        axis: the axis of x that the mask is about, or a list of axes; 1 unless given.
        bias: a bool tensor that broadcasts to x is a further mask; a float one is added to x before masking; or None.
        return_mask: whether to return the joint mask too.

    Returns:
        Shape and dtype of x; with return_mask the pair of it and a bool mask that broadcasts to x, or None.
    """
    joint = None
    if mask is not None:
        mask = mask if dtype(mask) == "bool" else ops.cast(mask, "bool")
        for i in axis if isinstance(axis, (list, tuple)) else [1 if axis is None else axis]:
            joint = _both(joint, align(mask, [0, i], len(x.shape)))
    if bias is not None:
        if dtype(bias) == "bool":
            joint = _both(joint, bias)
        else:
            x = x + ops.cast(bias, dtype(x))
    if joint is not None:
        x = where(joint, x, float(value) if isinstance(value, str) else value)
    return (x, joint) if return_mask else x


def _both(a, b):
    return b if a is None else ops.logical_and(a, b)


def attention_normalize(a, mask=None, axis=-1, method="softmax", bias=None):
    """Turn attention scores into weights.

    Arguments:
        a: float [batch, ..., n, m], scores.
        mask: [batch, m], true where a key may be seen; or None.
        axis: the axis of the keys.
        method: 'softmax'; 'squared_relu', relu(a)² / l; 'softmax_plus', softmax(a · log(max(l, 16)) / log(512)).
            There l is the number of keys that may be seen.
        bias: as of `sequence_masking`.

    Returns:
        Shape and dtype of a. Where no key may be seen, softmax gives every key the same weight, squared_relu gives 0.

    Raises:
        ValueError: an unknown method.

    Reference: for softmax_plus https://kexue.fm/archives/9019; for squared_relu https://arxiv.org/abs/2202.10447
    """
    if method not in ("softmax", "squared_relu", "softmax_plus"):
        raise ValueError(f"attention_normalize: method is softmax, squared_relu or softmax_plus, not {method!r}.")
    compute = ops.cast(a, "float32")
    hidden = lowest("float32")  # not -inf: a row without any key would become NaN
    compute, joint = sequence_masking(compute, mask, hidden, axis, bias, return_mask=True)
    if method != "softmax":
        if joint is None:
            count = ops.cast(ops.shape(a)[axis], "float32")
        else:
            count = ops.sum(ops.cast(joint, "float32"), axis=axis, keepdims=True)
    if method == "squared_relu":
        return ops.cast(ops.square(ops.relu(compute)) / ops.maximum(count, 1.0), dtype(a))
    if method == "softmax_plus":
        compute = compute * (ops.log(ops.maximum(count, 16.0)) / math.log(512))
    return ops.cast(ops.softmax(ops.maximum(compute, hidden), axis=axis), dtype(a))
