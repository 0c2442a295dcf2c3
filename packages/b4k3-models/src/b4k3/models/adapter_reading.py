"""Read an adapter of PEFT for a transformer. `adapters.py` explains how its modules and our layers correspond."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy as np

from b4k3 import backend

from . import lora
from .adapters import CONFIG, LINEAR, PREFIX, TABLE, WEIGHTS, Pair, Place, dialect_of, places_of, refuse_shared_table
from .checkpoints import CheckpointError, open_checkpoint
from .config_files import read_config
from .errors import ConfigError
from .loading import NOT_FLOATS, LoadReport
from .peft_config import PeftConfig

if TYPE_CHECKING:
    from .checkpoints import Checkpoint
    from .lora import Target
    from .transformer import Transformer

BASE = ".base_layer.weight"  # PEFT stores the weight of an output or embedding too if that is adapted
Pairs = Dict[Tuple[str, bool], Pair]  # by the name of the module, and whether it is an embedding


class Adapter:
    """An adapter that is read for a model. It changes nothing until all of it is known to fit.

    Arguments:
        transformer: a built `Transformer`.
        folder: str. The folder of the adapter.
        ignore_unread_weights: bool. Whether arrays that the model has no place for are accepted.

    Attributes:
        report: `LoadReport`.
        matrices: list of (`Target`, a [in, rank], b [rank, out], scale).

    Raises:
        ConfigError: the configuration has something that b4k3 does not understand.
        CheckpointError: the adapter does not fit the model. The message lists everything that is wrong.
        FileNotFoundError: there is no adapter in the folder.

    Example:
        >>> import tempfile
        >>> from b4k3.models import build_transformer_model
        >>> from b4k3.models.adapter_reading import Adapter
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> share, folder = bert.enable_lora(2, verbose=False), tempfile.mkdtemp()
        >>> bert.save_adapter(folder)
        >>> len(Adapter(bert, folder, False).matrices)
        4
    """

    def __init__(self, transformer: Transformer, folder: str, ignore_unread_weights: bool) -> None:
        self.transformer, self.folder = transformer, os.fspath(folder)
        path = os.path.join(self.folder, WEIGHTS)
        self.config = PeftConfig(read_config(os.path.join(self.folder, CONFIG)), os.path.join(self.folder, CONFIG))
        if not os.path.exists(path) and os.path.exists(os.path.join(self.folder, "adapter_model.bin")):
            raise CheckpointError(
                f"{self.folder}: adapter_model.bin is a pickle, which b4k3 does not open: write it with peft's "
                "save_pretrained(folder, safe_serialization=True)"
            )
        self.report = LoadReport(path, "PEFT")
        self.problems: list[str] = []
        self.matrices: list[tuple[Target, np.ndarray, np.ndarray, float]] = []
        with open_checkpoint(path) as checkpoint:
            self._read(checkpoint, ignore_unread_weights)
        if not self.matrices:
            self.problems.append("it has no matrix of LoRA for this model")
        if self.problems:
            shown = self.problems[:20] + ([f"… and {len(self.problems) - 20} more"] if len(self.problems) > 20 else [])
            raise CheckpointError(
                f"{path} does not fit {type(transformer).__name__}; no weight was changed.\n  " + "\n  ".join(shown)
            )

    def _read(self, checkpoint: Checkpoint, ignore_unread_weights: bool) -> None:
        """Match the matrices of the file with targets, and collect them or what is wrong."""
        pairs, others = self._pairs(checkpoint)
        dialect = dialect_of(self.transformer)
        for target, place in places_of(self.transformer):
            spellings = [name[: -len(".weight")] for name, _ in dialect.candidates(target.variable)]
            module = next((name for name in spellings if (name, place.is_table) in pairs), None)
            if module is None:
                continue
            refuse_shared_table(dialect, target, place)
            pair = pairs[module, place.is_table]
            if place.output is not None:
                self._check_tied(module, pair, place.output, pairs)
            if place.part is not None:
                k, n = place.part
                size = len(pair.b) // n
                pair = pair._replace(b=pair.b[k * size : (k + 1) * size])
            self._add(target, module, pair, place.is_table)
            self.used.add((module, place.is_table))
            for name in (module, place.output):
                stored = f"{PREFIX}{name}{BASE}"
                if stored in others and self._is_base(target, place, checkpoint[stored]):
                    others.remove(stored)
        unused = [key for key in pairs if key not in self.used]
        others += [PREFIX + name + (TABLE if is_table else LINEAR)[0] for name, is_table in unused]
        self.report.unexpected = [(name, None) for name in sorted(others)]
        self.report.unread = sorted(others)
        if others and not ignore_unread_weights:
            self.problems += [f"not read: {name}" for name in self.report.unread]
            if self.config.modules_to_save:
                self.problems.append(
                    f"modules_to_save is {self.config.modules_to_save}: b4k3 reads LoRA alone; "
                    "ignore_unread_weights=True loads it without them"
                )

    def _pairs(self, checkpoint: Checkpoint) -> tuple[Pairs, list[str]]:
        """Read the pairs of matrices by (module, whether it is an embedding), and list the names of other arrays."""
        self.used: set[tuple[str, bool]] = set()
        names, pairs = set(checkpoint.keys()), {}
        for name in sorted(names):
            for is_table, (end_a, end_b) in enumerate((LINEAR, TABLE)):
                if not name.endswith((end_a, end_b)) or not name.startswith(PREFIX):
                    continue
                module = name[len(PREFIX) : -len(end_a)]
                both = [PREFIX + module + end for end in (end_a, end_b)]
                names -= {name}
                if not set(both) <= set(checkpoint.keys()):
                    self.problems.append(f"missing: {next(x for x in both if x != name)}")
                elif name == both[0]:
                    a, b = (checkpoint[x] for x in both)
                    if self._is_pair(module, a, b):
                        pairs[module, bool(is_table)] = Pair(a, b, self.config.scale(module))
        return pairs, sorted(names)

    def _is_pair(self, module: str, a: np.ndarray, b: np.ndarray) -> bool:
        """Check that two arrays are matrices of the rank that the configuration says."""
        rank = self.config.rank(module)
        for x in (a, b):
            if x.dtype.kind in NOT_FLOATS:
                self.problems.append(f"dtype: {module} has {x.dtype.name}, expected floating-point numbers")
                return False
        if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != rank or b.shape[1] != rank:
            self.problems.append(f"shape: {module} has {list(a.shape)} and {list(b.shape)}, and the rank is {rank}")
            return False
        return True

    def _check_tied(self, module: str, pair: Pair, output: str, pairs: Pairs) -> None:
        """Refuse an adapter whose products for the table and for the output that is tied to it differ."""
        other = pairs.get((output, False))
        self.used.add((output, False))
        if (
            other is None
            or other.scale != pair.scale
            or not (np.array_equal(other.a, pair.b.T) and np.array_equal(other.b, pair.a.T))
        ):
            self.problems.append(
                f"tied: {module} and the output {output} have different matrices in PEFT, and one table serves both "
                "here: build the model without that head, or with tie_word_embeddings=False"
            )

    def _is_base(self, target: Target, place: Place, stored: np.ndarray) -> bool:
        """Return whether a weight that PEFT stored beside its matrices is the one that the model has."""
        if place.part is not None or stored.dtype.kind in NOT_FLOATS or self._is_cut:
            return False
        base = np.asarray(backend.keras.ops.convert_to_numpy(base_weight(target)), dtype="float32")
        base = base if place.is_table or place.transposed else base.T
        return base.shape == stored.shape and np.array_equal(base, np.asarray(stored, dtype="float32"))

    def _add(self, target: Target, module: str, pair: Pair, is_table: bool) -> None:
        """Collect the matrices of a target, or say which shape is wrong."""
        a, b = np.asarray(pair.a).T, np.asarray(pair.b).T
        if is_table and self._is_cut:
            a = self.transformer.load_embeddings(a)
        shape, found = tuple(int(size) for size in base_weight(target).shape), (len(a), b.shape[1])
        if found != shape:
            self.problems.append(
                f"shape: {module} has matrices for {list(found)}, {target.names[-1]} wants {list(shape)}"
            )
            return
        self.report.loaded.append((target.names[-1], PREFIX + module, shape))
        self.matrices.append((target, a, b, pair.scale))

    @property
    def _is_cut(self) -> bool:
        """Whether the vocabulary of the model has other rows than the one of transformers."""
        return self.transformer.keep_tokens is not None or self.transformer.compound_tokens is not None

    def apply(self) -> LoadReport:
        """Give the model the LoRA of the adapter. A model that has LoRA already must have it in the same layers.

        Returns:
            `LoadReport`.

        Raises:
            ConfigError: the model has LoRA in other layers, or of another rank or scale.
        """
        transformer = self.transformer
        if transformer.lora is None:
            chosen = [(target, a.shape[1], scale * a.shape[1]) for target, a, _, scale in self.matrices]
            lora.enable(transformer, chosen)
        elif not self._fits_the_lora(transformer.lora):
            raise ConfigError(
                f"{self.folder}: the model has LoRA in other layers, or of another rank or alpha: call remove_lora() "
                "first"
            )
        pairs = []
        for target, a, b, _ in self.matrices:
            low = backend.low_rank_of(target.layer)
            assert low is not None, target.names
            pairs += [(low.a, a), (low.b, b)]
        backend.assign_weights(pairs)
        return self.report

    def _fits_the_lora(self, has: lora.Lora) -> bool:
        """Return whether a model's LoRA is in the layers of the adapter, with its ranks and scales."""
        theirs = {id(target.layer): (a.shape[1], scale) for target, a, _, scale in self.matrices}
        ours = {id(target.layer): backend.low_rank_of(target.layer) for target in has.targets}
        return set(ours) == set(theirs) and all(
            low is not None and low.a.shape[1] == theirs[key][0] and abs(low.scale - theirs[key][1]) < 1e-6
            for key, low in ours.items()
        )


def base_weight(target: Target) -> Any:
    """Return the kernel or table of a target, without LoRA.

    Arguments:
        target: `Target`.

    Returns:
        Variable.
    """
    low = backend.low_rank_of(target.layer)
    return backend.base_weights(target.layer)[0] if low is None else low.base
