"""Configurations in the keys of Google's code and of Hugging Face's."""

from __future__ import annotations

from ..config import ALIASES

# model= -> (model_type, [(class of transformers, the parts that it needs beside the body)], keys of its own)
HUGGINGFACE = {
    "bert": (
        "bert",
        [
            ("BertForPreTraining", ("pooler", "NSP head", "MLM head")),
            ("BertForMaskedLM", ("MLM head",)),
            ("BertModel", ()),
        ],
        (),
    ),
    "albert": (
        "albert",
        [
            ("AlbertForPreTraining", ("pooler", "NSP head", "MLM head")),
            ("AlbertForMaskedLM", ("MLM head",)),
            ("AlbertModel", ()),
        ],
        ("embedding_size", "num_hidden_groups", "inner_group_num"),
    ),
    "electra": (
        "electra",
        [("ElectraForPreTraining", ("discriminator head",)), ("ElectraModel", ())],
        ("embedding_size",),
    ),
    "electra_generator": (
        "electra",
        [("ElectraForMaskedLM", ("MLM head",)), ("ElectraModel", ())],
        ("embedding_size",),
    ),
    "nezha": (
        "nezha",
        [
            ("NezhaForPreTraining", ("pooler", "NSP head", "MLM head")),
            ("NezhaForMaskedLM", ("MLM head",)),
            ("NezhaModel", ()),
        ],
        ("max_relative_position",),
    ),
    "roformer": (
        "roformer",
        [("RoFormerForMaskedLM", ("MLM head",)), ("RoFormerModel", ())],
        ("embedding_size",),
    ),
}
# what not every architecture has
OWN_KEYS = ("embedding_size", "num_hidden_groups", "inner_group_num", "max_relative_position")
# what transformers adds, and nobody else reads
FOREIGN = (
    "_name_or_path _num_labels architectures attn_implementation bos_token_id classifier_dropout "
    "classifier_dropout_prob dtype eos_token_id finetuning_task gradient_checkpointing id2label is_decoder label2id "
    "layers_to_keep output_past pad_token_id position_embedding_type problem_type summary_activation "
    "summary_last_dropout summary_type summary_use_proj tie_word_embeddings torch_dtype transformers_version use_cache"
).split()
ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu_erf": "gelu", "swish": "silu"}


def published(config):
    """A config under the publishers' names of its keys, which b4k3 reads too."""
    config = dict(config)
    for ours, others in ALIASES.items():
        value = config.pop(ours, None)
        if value is not None:
            config.setdefault(others[0], value)
    return config


def google_config(source):
    """The config of a `Source` with the keys of Google's code, and `model_type`, by which b4k3 recognises it."""
    config = {k: value for k, value in published(source.config).items() if value is not None and k not in FOREIGN}
    config["model_type"] = source.model
    return config


def huggingface_config(source, parts):
    """The config.json of transformers for a `Source`.

    Arguments:
        source: `Source` of a model in HUGGINGFACE.
        parts: names of the parts that are written.

    Returns:
        dict.
    """
    model_type, classes, own = HUGGINGFACE[source.model]
    absent = set(OWN_KEYS).difference(own)
    config = {k: value for k, value in published(source.config).items() if value is not None and k not in absent}
    config["hidden_act"] = ACTIVATIONS.get(config["hidden_act"], config["hidden_act"])
    config["model_type"] = model_type
    config["architectures"] = [next(name for name, needed in classes if set(needed) <= set(parts))]
    config.setdefault("pad_token_id", 0)
    return config
