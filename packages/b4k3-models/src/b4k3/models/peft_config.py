"""The `adapter_config.json` of PEFT: what b4k3 understands of it, and what it refuses.

PEFT has many variants of LoRA, and each has a key of its own that is null, false or empty where it is off. A key that
is on and is not understood is refused by its name. https://github.com/huggingface/peft
"""

from __future__ import annotations

import re
from numbers import Integral, Real
from typing import Any, Mapping, Sequence

from .errors import ConfigError, short, warn_caller

# Keys that change no number that the adapter computes.
FREE = frozenset(
    (
        "auto_mapping base_model_name_or_path ensure_weight_tying exclude_modules fan_in_fan_out inference_mode "
        "layers_pattern layers_to_transform megatron_core peft_version qalora_group_size revision target_modules "
        "task_type modules_to_save"
    ).split()
)
READ = frozenset("alpha_pattern init_lora_weights lora_alpha lora_dropout peft_type r rank_pattern use_rslora".split())
# Ways to start the matrices that leave the weights of the model as they are. PiSSA, OLoRA and others change them too.
STARTS = (True, False, None, "gaussian", "orthogonal")
OFF = (None, False, "none")
# What to do about a key that is on.
ADVICE = {
    "bias": "train with bias='none'",
    "use_dora": "train without DoRA",
}


class PeftConfig:
    """The configuration of an adapter.

    Arguments:
        config: dict. The content of the file.
        where: str. The path of the file, for messages.

    Attributes:
        modules_to_save: list of str. The modules that the adapter holds whole.

    Raises:
        ConfigError: a key is not understood, or has a value that no adapter can have.

    Example:
        >>> from b4k3.models.peft_config import PeftConfig
        >>> config = PeftConfig({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "rank_pattern": {"value": 4}}, "mine")
        >>> config.rank("encoder.query"), config.scale("encoder.query"), config.rank("encoder.value")
        (8, 2.0, 4)
    """

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self.where, self._config = where, dict(config)
        if config.get("peft_type") != "LORA":
            raise ConfigError(f"{where}: peft_type is {short(config.get('peft_type'))}, and b4k3 reads LORA alone")
        for key, value in config.items():
            off = value in OFF if isinstance(value, (str, bool, type(None))) else value in ({}, [])
            if key not in FREE | READ and not off:
                advice = ADVICE.get(key, "b4k3 does not have this variant of LoRA; merge the adapter with peft first")
                raise ConfigError(f"{where}: {key} is {short(value)}: {advice}")
        start = config.get("init_lora_weights")
        if not any(start is other or start == other for other in STARTS):
            raise ConfigError(
                f"{where}: init_lora_weights is {short(start)}, which may change the weights of the model too: merge "
                "the adapter with peft first"
            )
        self.modules_to_save = [str(name) for name in config.get("modules_to_save") or []]
        self.rank(""), self.scale("")
        for pattern in ("rank_pattern", "alpha_pattern"):
            self._patterns(pattern)
        if config.get("lora_dropout"):
            warn_caller(f"{where}: lora_dropout is {config['lora_dropout']}; b4k3 trains LoRA without dropout")

    def rank(self, module: str) -> int:
        """Return the rank of a module.

        Arguments:
            module: str. Its name in transformers.

        Returns:
            int.

        Raises:
            ConfigError: it is no whole number above 0.
        """
        rank = self._for(module, "rank_pattern", "r", 8)
        if isinstance(rank, bool) or not isinstance(rank, Integral) or rank < 1:
            raise ConfigError(
                f"{self.where}: the rank of {module or 'the adapter'} is {short(rank)}, expected 1 or more"
            )
        return int(rank)

    def scale(self, module: str) -> float:
        """Return the factor on the product of the two matrices of a module.

        Arguments:
            module: str. Its name in transformers.

        Returns:
            float. lora_alpha / rank, or lora_alpha / sqrt(rank) with `use_rslora`.

        Raises:
            ConfigError: lora_alpha is no number.
        """
        alpha, rank = self._for(module, "alpha_pattern", "lora_alpha", 8), self.rank(module)
        if isinstance(alpha, bool) or not isinstance(alpha, Real):
            raise ConfigError(f"{self.where}: lora_alpha is {short(alpha)}, expected a number")
        return float(alpha) / (rank**0.5 if self._config.get("use_rslora") else rank)

    def _for(self, module: str, pattern: str, key: str, default: int) -> Any:
        """Return the value for a module: of the first pattern that fits its name, or else of the key."""
        for name, value in self._patterns(pattern).items():
            start = name.startswith("^")
            if module == name.lstrip("^") or (not start and module.endswith("." + name)):
                return value
        return self._config.get(key, default)

    def _patterns(self, key: str) -> dict[str, Any]:
        """Return the patterns under a key, which are names of modules or their ends."""
        patterns = self._config.get(key) or {}
        if not isinstance(patterns, dict):
            raise ConfigError(f"{self.where}: {key} is {short(patterns)}, expected an object")
        for name in patterns:
            if not re.match(r"\^?[\w.]+$", name):
                raise ConfigError(
                    f"{self.where}: {key} has the regular expression {short(name)}, and b4k3 reads names of modules "
                    "alone"
                )
        return patterns


def written_config(scales: Mapping[str, tuple[int, float]], transposed: bool, base_model: str | None) -> dict[str, Any]:
    """Make the content of an adapter_config.json.

    Arguments:
        scales: dict from the name of each module in transformers to its rank and the factor on its product.
        transposed: bool. Whether the weights of the modules are stored [in, out], as in GPT-2.
        base_model: str or None. The name or path of the model for which the adapter is.

    Returns:
        dict.

    Example:
        >>> from b4k3.models.peft_config import written_config
        >>> config = written_config({"encoder.query": (8, 2.0), "encoder.value": (4, 2.0)}, False, None)
        >>> config["r"], config["lora_alpha"], config["rank_pattern"], config["alpha_pattern"]
        (8, 16, {'encoder.value': 4}, {'encoder.value': 8})
    """
    alphas = {module: (rank, plain(rank * scale)) for module, (rank, scale) in scales.items()}
    pairs: Sequence[tuple[int, float]] = list(alphas.values())
    r, alpha = max(dict.fromkeys(pairs), key=pairs.count)
    return {
        "alpha_pattern": {module: value for module, (_, value) in alphas.items() if value != alpha},
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": transposed,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": r,
        "rank_pattern": {module: rank for module, (rank, _) in alphas.items() if rank != r},
        "target_modules": sorted(scales),
        "task_type": None,
        "use_dora": False,
        "use_rslora": False,
    }


def plain(number: float) -> float:
    """Return an int for a whole number.

    Arguments:
        number: float.

    Returns:
        int; another number is returned as it is.
    """
    nearest = round(number)
    return nearest if abs(number - nearest) < 1e-9 * max(1.0, abs(number)) else number
