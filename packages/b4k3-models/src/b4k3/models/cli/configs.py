"""Configurations in the keys of Google's code and of Hugging Face's."""

from __future__ import annotations

from ..config import ALIAS_NAMES, ALIASES, ConfigError
from ..t5_versions import VERSIONS

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
    "gpt": ("openai-gpt", [("OpenAIGPTLMHeadModel", ())], ()),
    "gpt2": ("gpt2", [("GPT2LMHeadModel", ())], ()),
    "t5.1.0": ("t5", [("T5ForConditionalGeneration", ())], ()),
    "t5.1.1": ("t5", [("T5ForConditionalGeneration", ("output",)), ("T5Model", ())], ()),
    "mt5.1.1": ("mt5", [("MT5ForConditionalGeneration", ("output",)), ("MT5Model", ())], ()),
}
# our name -> theirs, where it is another one than BERT's
GPT_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position": "n_positions",
    "dropout_rate": "resid_pdrop",
    "attention_dropout_rate": "attn_pdrop",
    "layer_norm_eps": "layer_norm_epsilon",
}
T5_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "intermediate_size": "d_ff",
    "attention_head_size": "d_kv",
    "num_hidden_layers": "num_layers",
    "num_decoder_layers": "num_decoder_layers",
    "num_attention_heads": "num_heads",
    "relative_attention_num_buckets": "relative_attention_num_buckets",
    "relative_attention_max_distance": "relative_attention_max_distance",
    "dropout_rate": "dropout_rate",
    "layer_norm_eps": "layer_norm_epsilon",
}
# what not every architecture has
OWN_KEYS = ("embedding_size", "num_hidden_groups", "inner_group_num", "max_relative_position")
# what transformers adds, and nobody else reads
FOREIGN = (
    "_name_or_path _num_labels architectures attn_implementation bos_token_id classifier_dropout "
    "classifier_dropout_prob dtype eos_token_id finetuning_task gradient_checkpointing id2label is_decoder label2id "
    "layers_to_keep output_past pad_token_id position_embedding_type problem_type summary_activation "
    "summary_last_dropout summary_type summary_use_proj tie_word_embeddings torch_dtype transformers_version use_cache "
    "decoder_start_token_id dense_act_fn embd_pdrop initializer_factor is_encoder_decoder is_gated_act n_ctx "
    "reorder_and_upcast_attn scale_attn_by_inverse_layer_idx scale_attn_weights scale_decoder_outputs "
    "summary_first_dropout summary_proj_to_labels task_specific_params tokenizer_class"
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
    theirs = (set(FOREIGN) | ALIAS_NAMES) - {others[0] for others in ALIASES.values()}
    config = {k: value for k, value in published(source.config).items() if value is not None and k not in theirs}
    config["model_type"] = source.model
    if source.config.get("pad_token_id"):  # 0 is what everybody means who says nothing
        config["pad_token_id"] = source.config["pad_token_id"]
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
    if source.model in ("gpt", "gpt2") or source.model in VERSIONS:
        config = t5_config(source) if source.model in VERSIONS else gpt_config(source)
        config["architectures"] = [next(name for name, needed in classes if set(needed) <= set(parts))]
        return dict(config, model_type=model_type)
    absent = set(OWN_KEYS).difference(own)
    config = {k: value for k, value in published(source.config).items() if value is not None and k not in absent}
    config["hidden_act"] = ACTIVATIONS.get(config["hidden_act"], config["hidden_act"])
    config["model_type"] = model_type
    config["architectures"] = [next(name for name, needed in classes if set(needed) <= set(parts))]
    config.setdefault("pad_token_id", 0)
    return config


def renamed(config, names):
    return {theirs: config[ours] for ours, theirs in names.items() if config.get(ours) is not None}


def gpt_config(source):
    """The keys of OpenAI's GPT and of GPT-2. Raises: ConfigError: transformers cannot compute the activation."""
    config, hidden_act = renamed(source.config, GPT_KEYS), source.config["hidden_act"]
    config.setdefault("embd_pdrop", config.get("resid_pdrop", 0.0))
    config.update(bos_token_id=None, eos_token_id=None)
    if source.config.get("pad_token_id") is not None:
        config["pad_token_id"] = source.config["pad_token_id"]
    if source.model == "gpt2":
        config["n_inner"] = source.config["intermediate_size"]
        config["activation_function"] = ACTIVATIONS.get(hidden_act, hidden_act)
        return config
    if source.config["intermediate_size"] != 4 * config["n_embd"]:
        raise ConfigError("intermediate_size is not 4 · hidden_size, which transformers' GPT has")
    config.setdefault("layer_norm_epsilon", 1e-5)
    config["afn"] = {"gelu_tanh": "gelu", "gelu_new": "gelu"}.get(hidden_act, hidden_act)  # theirs is the tanh form
    return config


def t5_config(source):
    """The keys of T5 and mT5."""
    config, hidden_act = renamed(source.config, T5_KEYS), source.config["hidden_act"]
    head = source.config["hidden_size"] // source.config["num_attention_heads"]
    config.setdefault("d_kv", head)  # theirs is 64
    gated = isinstance(hidden_act, (list, tuple))
    name = hidden_act[0] if gated else hidden_act
    name = "gelu" if name == "gelu_tanh" and gated else ACTIVATIONS.get(name, name)  # gated-gelu is the tanh form
    config["feed_forward_proj"] = "gated-" + name if gated else name
    config["tie_word_embeddings"] = not VERSIONS[source.model].gated
    padding_id = source.config.get("pad_token_id") or 0
    config.update(is_encoder_decoder=True, pad_token_id=padding_id, eos_token_id=1, decoder_start_token_id=padding_id)
    return config
