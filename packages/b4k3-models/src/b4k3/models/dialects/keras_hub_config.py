"""Read the config.json of a preset of keras-hub: the class of a backbone and the arguments it was made with.

{"module": "keras_hub.src.models.bert.bert_backbone", "class_name": "BertBackbone",
 "config": {"vocabulary_size": 30522, "num_layers": 12, …}, "registered_name": "keras_hub>BertBackbone"}
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, short

# The arguments of BertBackbone -> the keys of a configuration of BERT.
_KEYS = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
}
_OF_KERAS = ("name", "trainable", "dtype")  # what every model of Keras has; it changes no numbers of the weights
_FIXED = {"model_type": "bert", "hidden_act": "gelu_new", "layer_norm_eps": 1e-12}  # as the class computes


def is_keras_hub(config: dict[str, Any]) -> bool:
    """Tell whether a configuration is one of keras-hub.

    Arguments:
        config: dict. The content of a JSON file.

    Returns:
        bool.

    Example:
        >>> from b4k3.models.dialects.keras_hub_config import is_keras_hub
        >>> is_keras_hub({"module": "keras_hub.src.models.bert.bert_backbone", "class_name": "BertBackbone"})
        True
    """
    module = config.get("module")
    return isinstance(module, str) and module.startswith("keras_hub.") and "class_name" in config


def translated(config: dict[str, Any], path: str) -> dict[str, Any]:
    """Translate a configuration of keras-hub.

    Arguments:
        config: dict. The content of a `config.json`.
        path: str. The file, for error messages.

    Returns:
        dict with the keys of a configuration of BERT. Arguments that are not known keep their names.

    Raises:
        ConfigError: the class is not BertBackbone, or its arguments are not an object.

    Example:
        >>> from b4k3.models.dialects.keras_hub_config import translated
        >>> config = {"module": "keras_hub.src", "class_name": "BertBackbone", "config": {"num_heads": 12}}
        >>> translated(config, "config.json")["num_attention_heads"]
        12
    """
    name, arguments = config["class_name"], config.get("config")
    if name != "BertBackbone":
        raise ConfigError(
            f"{path}: is a preset of keras-hub, of the class {short(name)}; b4k3 reads those of BertBackbone. Take the "
            "files of the model from its first publisher, or of Hugging Face transformers"
        )
    if not isinstance(arguments, dict):
        raise ConfigError(f"{path}: is a preset of keras-hub without an object 'config'; get the file again")
    found = {_KEYS.get(key, key): value for key, value in arguments.items() if key not in _OF_KERAS}
    return dict(found, **_FIXED)
