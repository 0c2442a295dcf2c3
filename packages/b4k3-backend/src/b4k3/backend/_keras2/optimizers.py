"""How an optimizer of Keras 2 runs the rules of `b4k3.optimizers`. Keras 2 has had three kinds of optimizers:

get_updates     keras 2.3: an optimizer returns a list of operations
optimizer_v2    tf.keras up to TensorFlow 2.10: an optimizer updates one variable in `_resource_apply_dense`
update_step     tf.keras since TensorFlow 2.11: an optimizer updates one variable in `update_step`
"""

from __future__ import annotations

from .flavour import is_standalone, keras

if is_standalone:
    from .get_updates import GetUpdatesMixin as _Mixin, GetUpdatesOptimizer as _Optimizer
elif hasattr(keras.optimizers.Optimizer, "update_step"):
    from .update_step import UpdateStepMixin as _Mixin, UpdateStepOptimizer as _Optimizer
else:
    from .optimizer_v2 import OptimizerV2Base as _Optimizer, OptimizerV2Mixin as _Mixin

UpdateMixin = _Mixin
Optimizer = _Optimizer
