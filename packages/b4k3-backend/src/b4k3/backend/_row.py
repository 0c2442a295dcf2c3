"""The implementation of this environment: the folder `_keras3` or `_keras2`, which offer the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._runtime import environment

if TYPE_CHECKING or environment.is_keras3:  # a type checker reads Keras 3, for which b4k3 is written
    from . import _keras3 as implementation
else:
    from . import _keras2 as implementation

keras = implementation.keras
ops = implementation.ops
Layer = implementation.Layer
MetricLayer = implementation.MetricLayer
Dense = implementation.Dense
build_sublayer = implementation.build_sublayer
register = implementation.register
custom_objects = implementation.custom_objects
TruncatedNormal = implementation.TruncatedNormal
skip_initialization = implementation.skip_initialization
assert_at_most = implementation.assert_at_most
assign_weights = implementation.assign_weights
weight_path = implementation.weight_path
cache_orders = implementation.cache_orders
call_layer = implementation.call_layer
compiled = implementation.compiled
concrete = implementation.concrete
runs_eagerly = implementation.runs_eagerly
while_loop = implementation.while_loop
write_at = implementation.write_at
fused_attention = implementation.fused_attention
fused_layer_normalization = implementation.fused_layer_normalization
matmul_transposed = implementation.matmul_transposed
rows_at = implementation.rows_at

from . import activations  # noqa: E402, F401 (a layer that names one of our activations must find it)
