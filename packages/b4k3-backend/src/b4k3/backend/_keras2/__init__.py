"""Keras 2 over TensorFlow: what b4k3 uses of Keras 3, under the same names."""

from __future__ import annotations

from .._initialization import skip_initialization
from .._serialization import custom_objects
from . import ops
from .checks import assert_at_most, concrete
from .compiling import cache_orders, call_layer, compiled, runs_eagerly, while_loop, write_at
from .dense import Dense
from .flavour import keras
from .fused import fused_attention, fused_layer_normalization, matmul_transposed, rows_at
from .initializers import TruncatedNormal
from .layer import Layer, assign_weights, build_sublayer, register, weight_path
from .metric_layer import MetricLayer

__all__ = [
    "Dense",
    "Layer",
    "MetricLayer",
    "TruncatedNormal",
    "assert_at_most",
    "assign_weights",
    "build_sublayer",
    "cache_orders",
    "call_layer",
    "compiled",
    "concrete",
    "custom_objects",
    "fused_attention",
    "fused_layer_normalization",
    "keras",
    "matmul_transposed",
    "ops",
    "register",
    "rows_at",
    "runs_eagerly",
    "skip_initialization",
    "weight_path",
    "while_loop",
    "write_at",
]
