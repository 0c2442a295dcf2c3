"""One Keras for b4k3: Keras 3 on JAX, PyTorch or TensorFlow, tf.keras, tf_keras and keras 2.3.1 under one set of names.

Nothing is imported before it is asked for: the first name that needs Keras decides the environment (see `_runtime`).
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from .__about__ import __version__
from ._missing import BackendError as BackendError, missing

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from . import K as K, activations as activations
    from ._attention import (
        attention as attention,
        attention_normalize as attention_normalize,
        bias_from_mask as bias_from_mask,
        lowest as lowest,
        mask_bias as mask_bias,
        mask_value as mask_value,
    )
    from ._environment import keras as keras, ops as ops
    from ._heads import merge_heads as merge_heads, permute as permute, split_heads as split_heads
    from ._ids import misfit as misfit
    from ._initialization import copy_initializer as copy_initializer, skip_initialization as skip_initialization
    from ._keras3.compiling import (
        cache_orders as cache_orders,
        call_layer as call_layer,
        compiled as compiled,
        runs_eagerly as runs_eagerly,
        while_loop as while_loop,
        write_at as write_at,
    )
    from ._keras3.dense import Dense as Dense
    from ._keras3.devices import device_scope as device_scope
    from ._keras3.distribution import (
        device_bytes as device_bytes,
        device_mesh as device_mesh,
        gathered as gathered,
        gathered_variables as gathered_variables,
        layout_map as layout_map,
        mesh_axes as mesh_axes,
        parallel as parallel,
        process_index as process_index,
        split_rows as split_rows,
        wait_for_processes as wait_for_processes,
    )
    from ._keras3.exporting import write_graph as write_graph
    from ._keras3.fused import (
        bound_normalization as bound_normalization,
        matmul_transposed as matmul_transposed,
        positions_at as positions_at,
        rows_at as rows_at,
    )
    from ._keras3.gradients import gradient as gradient
    from ._keras3.initializers import TruncatedNormal as TruncatedNormal
    from ._keras3.layer import (
        Layer as Layer,
        assign_weights as assign_weights,
        build_sublayer as build_sublayer,
        register as register,
        weight_path as weight_path,
    )
    from ._keras3.lora import (
        add_weight_later as add_weight_later,
        base_weights as base_weights,
        disable_lora as disable_lora,
        enable_lora as enable_lora,
        forget_compiled as forget_compiled,
        layers_inside as layers_inside,
        lora_version as lora_version,
        low_rank_of as low_rank_of,
        merged_weights as merged_weights,
        reset_lora as reset_lora,
    )
    from ._keras3.metric_layer import MetricLayer as MetricLayer
    from ._keras3.optimizer_state import counters as counters, prepared_optimizer as prepared_optimizer
    from ._keras3.optimizers import Optimizer as Optimizer, UpdateMixin as UpdateMixin
    from ._keras3.perturbed import PerturbedModel as PerturbedModel
    from ._keras3.prediction import model_scope as model_scope
    from ._keras3.quantising import (
        ask_owner as ask_owner,
        dense_kernel as dense_kernel,
        quantised_layers as quantised_layers,
    )
    from ._keras3.ranks import (
        all_rows as all_rows,
        check_ranks as check_ranks,
        group_rank as group_rank,
        group_size as group_size,
        on_first as on_first,
        start_group as start_group,
    )
    from ._keras3.ranks_model import ranks_model as ranks_model
    from ._keras3.recompute import Dropout as Dropout
    from ._keras3.replaying import weight_value as weight_value
    from ._normalization import layer_normalization as layer_normalization
    from ._resize import orthogonally_resize as orthogonally_resize
    from ._runtime import environment as environment, is_tf_keras as is_tf_keras, row as row
    from ._serialization import custom_objects as custom_objects
    from .activations import (
        gelu_erf as gelu_erf,
        gelu_tanh as gelu_tanh,
        leaky_relu as leaky_relu,
        set_gelu as set_gelu,
        swish as swish,
    )
    from .input_names import (
        INPUT_NAMES as INPUT_NAMES,
        MASK_NAMES as MASK_NAMES,
        known_input as known_input,
        match_inputs as match_inputs,
    )
    from .losses import (
        multilabel_categorical_crossentropy as multilabel_categorical_crossentropy,
        sparse_multilabel_categorical_crossentropy as sparse_multilabel_categorical_crossentropy,
    )
    from .masking import sequence_masking as sequence_masking
    from .named_inputs import Functional as Functional
    from .positions import (
        Sinusoidal as Sinusoidal,
        apply_rotary_position_embeddings as apply_rotary_position_embeddings,
        sinusoidal_embeddings as sinusoidal_embeddings,
    )
    from .precision import dtype_scope as dtype_scope
    from .prediction import largest_batch as largest_batch, predict_function as predict_function
    from .recomputing import (
        do_recompute as do_recompute,
        get_available_gpus as get_available_gpus,
        graph_mode_decorator as graph_mode_decorator,
        recompute_grad as recompute_grad,
        symbolic as symbolic,
    )
    from .searching import layers_before as layers_before, search_layer as search_layer
    from .tables import (
        checked_ids as checked_ids,
        matrix_rows as matrix_rows,
        nan_unless as nan_unless,
        take_rows as take_rows,
    )
    from .tensors import (
        align as align,
        assert_at_most as assert_at_most,
        batch_gather as batch_gather,
        divisible_temporal_padding as divisible_temporal_padding,
        dtype as dtype,
        flatten as flatten,
        logsumexp as logsumexp,
        piecewise_linear as piecewise_linear,
        pool1d as pool1d,
        reshape as reshape,
        root_mean_square as root_mean_square,
        upcast as upcast,
        where as where,
        wide as wide,
    )
    from .types import Tensor as Tensor
    from .updates import FusedAdam as FusedAdam, Slot as Slot, Update as Update


# Public name -> the module that defines it. `_keras3` stands for `_keras2` where the environment has Keras 2.
_NAMES = {
    "BackendError": "_missing",
    "Dense": "_keras3.dense",
    "Dropout": "_keras3.recompute",
    "Functional": "named_inputs",
    "FusedAdam": "updates",
    "INPUT_NAMES": "input_names",
    "Layer": "_keras3.layer",
    "MASK_NAMES": "input_names",
    "MetricLayer": "_keras3.metric_layer",
    "Optimizer": "_keras3.optimizers",
    "PerturbedModel": "_keras3.perturbed",
    "Sinusoidal": "positions",
    "Slot": "updates",
    "Tensor": "types",
    "TruncatedNormal": "_keras3.initializers",
    "Update": "updates",
    "UpdateMixin": "_keras3.optimizers",
    "add_weight_later": "_keras3.lora",
    "align": "tensors",
    "all_rows": "_keras3.ranks",
    "apply_rotary_position_embeddings": "positions",
    "ask_owner": "_keras3.quantising",
    "assert_at_most": "tensors",
    "assign_weights": "_keras3.layer",
    "attention": "_attention",
    "attention_normalize": "_attention",
    "base_weights": "_keras3.lora",
    "batch_gather": "tensors",
    "bias_from_mask": "_attention",
    "bound_normalization": "_keras3.fused",
    "build_sublayer": "_keras3.layer",
    "cache_orders": "_keras3.compiling",
    "call_layer": "_keras3.compiling",
    "check_ranks": "_keras3.ranks",
    "checked_ids": "tables",
    "compiled": "_keras3.compiling",
    "copy_initializer": "_initialization",
    "counters": "_keras3.optimizer_state",
    "custom_objects": "_serialization",
    "dense_kernel": "_keras3.quantising",
    "device_bytes": "_keras3.distribution",
    "device_mesh": "_keras3.distribution",
    "device_scope": "_keras3.devices",
    "disable_lora": "_keras3.lora",
    "divisible_temporal_padding": "tensors",
    "do_recompute": "recomputing",
    "dtype": "tensors",
    "dtype_scope": "precision",
    "enable_lora": "_keras3.lora",
    "environment": "_runtime",
    "flatten": "tensors",
    "forget_compiled": "_keras3.lora",
    "gathered": "_keras3.distribution",
    "gathered_variables": "_keras3.distribution",
    "gelu_erf": "activations",
    "gelu_tanh": "activations",
    "get_available_gpus": "recomputing",
    "gradient": "_keras3.gradients",
    "graph_mode_decorator": "recomputing",
    "group_rank": "_keras3.ranks",
    "group_size": "_keras3.ranks",
    "is_tf_keras": "_runtime",
    "keras": "_environment",
    "known_input": "input_names",
    "largest_batch": "prediction",
    "layer_normalization": "_normalization",
    "layers_before": "searching",
    "layers_inside": "_keras3.lora",
    "layout_map": "_keras3.distribution",
    "leaky_relu": "activations",
    "logsumexp": "tensors",
    "lora_version": "_keras3.lora",
    "low_rank_of": "_keras3.lora",
    "lowest": "_attention",
    "mask_bias": "_attention",
    "mask_value": "_attention",
    "match_inputs": "input_names",
    "matmul_transposed": "_keras3.fused",
    "matrix_rows": "tables",
    "merge_heads": "_heads",
    "merged_weights": "_keras3.lora",
    "mesh_axes": "_keras3.distribution",
    "misfit": "_ids",
    "model_scope": "_keras3.prediction",
    "multilabel_categorical_crossentropy": "losses",
    "nan_unless": "tables",
    "on_first": "_keras3.ranks",
    "ops": "_environment",
    "orthogonally_resize": "_resize",
    "parallel": "_keras3.distribution",
    "permute": "_heads",
    "piecewise_linear": "tensors",
    "pool1d": "tensors",
    "positions_at": "_keras3.fused",
    "predict_function": "prediction",
    "prepared_optimizer": "_keras3.optimizer_state",
    "process_index": "_keras3.distribution",
    "quantised_layers": "_keras3.quantising",
    "ranks_model": "_keras3.ranks_model",
    "recompute_grad": "recomputing",
    "register": "_keras3.layer",
    "reset_lora": "_keras3.lora",
    "reshape": "tensors",
    "root_mean_square": "tensors",
    "row": "_runtime",
    "rows_at": "_keras3.fused",
    "runs_eagerly": "_keras3.compiling",
    "search_layer": "searching",
    "sequence_masking": "masking",
    "set_gelu": "activations",
    "sinusoidal_embeddings": "positions",
    "skip_initialization": "_initialization",
    "sparse_multilabel_categorical_crossentropy": "losses",
    "split_heads": "_heads",
    "split_rows": "_keras3.distribution",
    "start_group": "_keras3.ranks",
    "swish": "activations",
    "symbolic": "recomputing",
    "take_rows": "tables",
    "upcast": "tensors",
    "wait_for_processes": "_keras3.distribution",
    "weight_path": "_keras3.layer",
    "weight_value": "_keras3.replaying",
    "where": "tensors",
    "while_loop": "_keras3.compiling",
    "wide": "tensors",
    "write_at": "_keras3.compiling",
    "write_graph": "_keras3.exporting",
}
_MODULES = ("K", "activations")
# modules whose functions and classes are saved by name: the table `custom_objects` is complete once they are imported
_SAVED = ("losses", "positions", "recomputing", "tensors")


def _get(name: str) -> Any:
    if name not in _NAMES and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return _load(name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None


def _load(name: str) -> Any:
    """Return the value of a public name, and keep it in the module."""
    for module in _SAVED if name == "custom_objects" else ():
        _import(module)
    value = _import(name) if name in _MODULES else getattr(_import(_NAMES[name]), name)
    if f"{__name__}._environment" in sys.modules:  # a Keras was chosen, by which the user may load a model at once
        _import("activations")  # where a layer that names one of our activations finds it
        _import("named_inputs")  # the class of our models
    globals()[name] = value
    return value


def _import(module: str) -> Any:
    """Import a module of this package. `_keras3` stands for the folder of the Keras in use."""
    folder, _, name = module.rpartition(".")
    if folder == "_keras3":
        return _import("_environment").load(name)
    return importlib.import_module("." + module, __name__)


def __dir__() -> list[str]:
    return sorted([*_NAMES, *_MODULES, "__version__"])


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
