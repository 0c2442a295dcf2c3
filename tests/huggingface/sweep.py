"""Does b4k3 ever load a folder of transformers and compute something else, without an error?

    hatch run transformers5:sweep                                             # everything
    python tests/huggingface/sweep.py --classes --random 500 --seed 0        # the same
    python tests/huggingface/sweep.py --only random:0:17 --keep folder       # one case again, its files kept

A case is a tiny model of transformers with random weights: of every text class that transformers has, or of a random
configuration of the architectures that b4k3 knows, with what foreign folders have: fewer keys, old names, half
precision, several files. It is saved, b4k3 builds it from the folder, and both get the same batch. The outcome is

    equal          every output that was compared is the same, to 1e-4 of the largest value
    refused        a ConfigError, CheckpointError or FileNotFoundError that says why
    silent         another number, without an error: a failure
    crash          any other exception, or a message above 2,000 characters: a failure
    no reference   transformers does not load the folder itself, so that there is nothing to compare with
    not made       transformers could not make the tiny model, and why

Needs transformers 5 and torch; Keras may have any backend. Exit code 1 if anything was silent or crashed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import gc
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))  # the helpers beside
from huggingface import decoders

BATCH, LENGTH, DECODER_LENGTH = 3, 12, 7
LENGTHS = (12, 9, 5)
TOLERANCE = 1e-4
LONGEST_MESSAGE = 2000
ENVIRONMENT = {"KERAS_BACKEND": "torch", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}  # as a program
FAILURES = ("silent", "crash")
MAPPINGS = """MODEL MODEL_FOR_PRETRAINING MODEL_FOR_CAUSAL_LM MODEL_FOR_MASKED_LM MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM
MODEL_FOR_SEQUENCE_CLASSIFICATION MODEL_FOR_QUESTION_ANSWERING MODEL_FOR_TOKEN_CLASSIFICATION MODEL_FOR_MULTIPLE_CHOICE
MODEL_FOR_NEXT_SENTENCE_PREDICTION MODEL_FOR_TEXT_ENCODING""".split()


@dataclasses.dataclass
class Case:
    """One folder to be: which class of transformers, with which configuration, and how it is stored.

    Attributes:
        name: `class:NAME` or `random:SEED:INDEX`; what `--only` takes.
        class_name: of transformers.
        config: arguments of the configuration class.
        store: float32, float16 or bfloat16.
        shard_size: bytes of the largest safetensors file, None for a single one.
        edits: changes of the saved folder, each a list: the name of a function of `EDITS` and its arguments.
    """

    name: str
    class_name: str
    config: dict
    store: str = "float32"
    shard_size: int | None = None
    edits: list = dataclasses.field(default_factory=list)

    def __str__(self):
        extra = [self.store] * (self.store != "float32") + ["sharded"] * bool(self.shard_size)
        extra += [f"{edit[0]}({', '.join(map(str, edit[1:]))})" for edit in self.edits]
        return f"{self.name} {self.class_name} {json.dumps(self.config)} {' '.join(extra)}"


@dataclasses.dataclass
class Outcome:
    """What became of a case: its kind (see the module), the reason, and what was compared."""

    kind: str
    text: str = ""
    compared: list = dataclasses.field(default_factory=list)
    back: str | None = None  # of the way back through files: 'equal', 'refused: …' or a failure

    @property
    def failed(self):
        """True if b4k3 was wrong, here or on the way back."""
        return self.kind in FAILURES or bool(self.back) and self.back.startswith(FAILURES)


# ----------------------------------------------------------------------------------------------- every class

# The first pattern that fits the name of an integer key of a configuration gives its tiny value.
SHRUNK = [
    (r"^(src_|tgt_|decoder_|char_)?vocab_size$", 99),
    (r"^(entity_vocab_size|pronunciation_vocab_size|shape_vocab_size|vocab_size_per_layer_input)$", 99),
    (
        r"layer_idx|layer_id|offset|interval|period|_step$|_replace$|repeats|_start_|_end_|stride|kernel|groups$|seed",
        None,
    ),
    (r"(num|n)_(hidden_|encoder_|decoder_|sparse_encoder_|sparse_decoder_)?layers?$", 2),
    (r"^((encoder|decoder)_(num_hidden_)?layers|depth|[lrx]_layers|num_dense_layers)$", 2),
    (r"^num_kv_shared_layers$", 0),
    (r"(key_value_heads|kv_heads|num_key_value_heads)", 2),
    (r"heads?$", 4),
    (r"(experts_per_tok|moe_topk|moe_k|top_k_experts|num_selected)", 2),
    (r"(shared_experts)$", 1),
    (r"(experts)$", 4),
    (r"^(n_group|topk_group)$", 1),
    (r"(rope_head_dim|nope_head_dim|v_head_dim|^head_dim|d_head|d_kv|head_dim$|attention_head_size|kv_channels)", 8),
    (r"^(hidden_size|d_model|n_embd|dim|embedding_size|emb_dim|word_embed_proj_dim|embedding_dim|lru_width)$", 32),
    (r"(input_embedding_size|output_embedding_size|output_hidden_size|hidden_size_per_layer_input|embed_dim)$", 32),
    (r"(intermediate_size|ffn_dim|d_ff|dff|d_inner|n_inner|hidden_dim|ffn_hidden_size|feed_forward_size)", 48),
    (r"(position_embeddings|n_positions|n_ctx|max_(source|target|sequence|seq).*|context_length|_position)", 64),
    (r"(window|attention_window|local_attention|block_size|chunk_size|chunk_length|segment_means_seq_len)", 8),
    (r"(_rank|_size|_dim|state_size|d_state|index_topk|num_landmarks|prompt_length)$", 16),
]
LARGEST = 3_000_000  # parameters of a model that still counts as tiny
PLAIN = {  # sizes for a case that is written out
    "encoder": {
        "vocab_size": 60,
        "hidden_size": 24,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 40,
    },
    "distilbert": {"vocab_size": 60, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40},
    "deberta": {
        "vocab_size": 60,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 40,
        "relative_attention": True,
        "pos_att_type": "c2p|p2c",
        "position_buckets": 8,
    },
    "gpt": {
        "vocab_size": 60,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 3,
        "n_positions": 40,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "xlnet": {"vocab_size": 60, "d_model": 24, "n_layer": 2, "n_head": 3, "d_inner": 40},
    "t5": {
        "vocab_size": 60,
        "d_model": 24,
        "d_kv": 5,
        "d_ff": 40,
        "num_layers": 2,
        "num_decoder_layers": 3,
        "num_heads": 3,
        "relative_attention_num_buckets": 8,
    },
    "bart": {
        "vocab_size": 60,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 40,
    },
}
# parts of a configuration that are about text too
TEXT_PARTS = set(
    """encoder decoder encoder_config decoder_config global_config patcher_config attn_config ffn_config
    esmfold_config""".split()
)
# model_type -> what its sizes must have besides, so that they fit each other
FITTING = {
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
    "encoder-decoder": {
        "encoder": dict(PLAIN["encoder"], model_type="bert"),
        "decoder": dict(PLAIN["encoder"], model_type="bert", is_decoder=True, add_cross_attention=True),
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "lilt": {"hidden_size": 48},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "reformer": {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16], "is_decoder": True},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"]},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"]},
}


def shrunk(config_class):
    """Arguments that make a configuration tiny, chosen by the names of its keys; ids of tokens stay in range."""
    found = {}
    for field in dataclasses.fields(config_class):
        value, name = field.default, field.name
        if "token_id" in name or re.fullmatch("(bos|eos|pad|unk|mask)_index", name):
            if isinstance(value, int) and value >= 90:
                found[name] = {"pad": 0, "bos": 1, "eos": 2}.get(name[:3], 3)
            continue
        if name == "head_dim" and value is None:
            found[name] = 8
        if isinstance(value, bool) or not isinstance(value, int) or value <= 2:
            continue
        for pattern, small in SHRUNK:
            if re.search(pattern, name):
                if small is not None and (value > small or small >= 32):
                    found[name] = small
                break
    return found


OTHERS = "image_size|patch_size|num_channels|mel_bins|audio|(?<!super)vision|conv_stride|visual|spectrogram"


def why_not_text(cls, config_class):
    """Why a class is none that reads text alone; None if it is one."""
    names = {field.name for field in dataclasses.fields(config_class)} | set(config_class.attribute_map)
    if set(config_class.sub_configs) - TEXT_PARTS:
        return f"put together from other configurations: {', '.join(sorted(config_class.sub_configs))}"
    found = re.search(OTHERS, " ".join(sorted(names)))
    if found:
        return f"not about text: its configuration has {found.group()}"
    words = {"vocab_size", "src_vocab_size", "num_hash_functions"} | TEXT_PARTS  # CANINE hashes characters
    if not words & names:
        return "not about text: its configuration has no vocab_size"
    if getattr(cls, "main_input_name", "input_ids") != "input_ids":
        return f"not about text: it takes {cls.main_input_name}"
    return None


def class_cases():
    """(the cases of all text classes of transformers, {class name: why there is none})"""
    import transformers
    import transformers.models.auto.modeling_auto as auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cases, without = {}, {}
    for mapping in MAPPINGS:
        for model_type, names in getattr(auto, mapping + "_MAPPING_NAMES", {}).items():
            for name in names if isinstance(names, (list, tuple)) else [names]:
                if name in cases or name in without:
                    continue
                try:
                    config_class = CONFIG_MAPPING[model_type]
                    cls = getattr(transformers, name)
                except Exception as e:
                    without[name] = f"no such class: {brief(e)}"
                    continue
                reason = why_not_text(cls, config_class)
                if reason:
                    without[name] = reason
                    continue
                parts = {
                    key: shrunk(part)
                    for key, part in config_class.sub_configs.items()
                    if dataclasses.is_dataclass(part)
                }
                config = dict(shrunk(config_class), **dict(parts, **FITTING.get(model_type, {})))
                cases[name] = Case("class:" + name, name, config)
    return sorted(cases.values(), key=lambda case: case.name), without


# ------------------------------------------------------------------------------------------- random configurations

ENCODER_TASKS = ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice"]
# architecture -> (prefix of the classes, classes with heads that b4k3 has too, further classes)
ARCHITECTURES = {
    "bert": (
        "Bert",
        ["Model", "ForMaskedLM", "ForPreTraining", "LMHeadModel", "ForNextSentencePrediction"],
        ENCODER_TASKS,
    ),
    "roberta": ("Roberta", ["Model", "ForMaskedLM", "ForCausalLM"], ENCODER_TASKS),
    "xlm-roberta": ("XLMRoberta", ["Model", "ForMaskedLM", "ForCausalLM"], ENCODER_TASKS),
    "camembert": ("Camembert", ["Model", "ForMaskedLM", "ForCausalLM"], ENCODER_TASKS),
    "ernie": ("Ernie", ["Model", "ForMaskedLM", "ForPreTraining", "ForCausalLM"], ENCODER_TASKS),
    "megatron-bert": ("MegatronBert", ["Model", "ForMaskedLM", "ForPreTraining", "ForCausalLM"], ENCODER_TASKS),
    "mpnet": ("MPNet", ["Model", "ForMaskedLM"], ENCODER_TASKS),
    "distilbert": ("DistilBert", ["Model", "ForMaskedLM"], ENCODER_TASKS),
    "modernbert": ("ModernBert", ["Model", "ForMaskedLM"], ENCODER_TASKS),
    "albert": ("Albert", ["Model", "ForMaskedLM", "ForPreTraining"], ENCODER_TASKS),
    "electra": ("Electra", ["Model", "ForMaskedLM", "ForPreTraining", "ForCausalLM"], ENCODER_TASKS),
    "roformer": ("RoFormer", ["Model", "ForMaskedLM", "ForCausalLM"], ENCODER_TASKS),
    "deberta-v2": ("DebertaV2", ["Model", "ForMaskedLM"], ENCODER_TASKS),
    "gpt2": (
        "GPT2",
        ["Model", "LMHeadModel"],
        ["DoubleHeadsModel", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
    ),
    "openai-gpt": ("OpenAIGPT", ["Model", "LMHeadModel"], ["DoubleHeadsModel", "ForSequenceClassification"]),
    "bart": (
        "Bart",
        ["Model", "ForConditionalGeneration"],
        ["ForSequenceClassification", "ForQuestionAnswering", "ForCausalLM"],
    ),
    "t5": (
        "T5",
        ["Model", "ForConditionalGeneration", "EncoderModel"],
        ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
    ),
    "mt5": (
        "MT5",
        ["Model", "ForConditionalGeneration", "EncoderModel"],
        ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
    ),
    "umt5": (
        "UMT5",
        ["Model", "ForConditionalGeneration", "EncoderModel"],
        ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"],
    ),
}
T5S = ("t5", "mt5", "umt5")
ARCHITECTURES["xlnet"] = (
    "XLNet",
    ["Model", "LMHeadModel"],
    ["ForSequenceClassification", "ForTokenClassification", "ForMultipleChoice", "ForQuestionAnsweringSimple"],
)
ARCHITECTURES.update((arch, (prefix, ["Model", "ForCausalLM"], [])) for arch, prefix in decoders.LLAMAS.items())
ROBERTAS = ("roberta", "xlm-roberta", "camembert")
DECODERS = ("bert", *ROBERTAS, "ernie", "megatron-bert", "electra", "roformer")  # those with is_decoder
HIDDEN_ACT = {
    "bart": "activation_function",
    "distilbert": "activation",
    "modernbert": "hidden_activation",
    "gpt2": "activation_function",
    "openai-gpt": "afn",
    "xlnet": "ff_activation",
}
ACTIVATIONS = """gelu gelu_10 gelu_accurate gelu_fast gelu_new gelu_python gelu_python_tanh gelu_pytorch_tanh hardswish
laplace leaky_relu linear mish prelu quick_gelu relu relu2 relu6 sigmoid silu sqrtsoftplus swish tanh xielu""".split()
T5_EXTRAS = [{"tie_word_embeddings": False}, {"scale_decoder_outputs": False}, {"dense_act_fn": "gelu"}]


def activation_of(r, arch):
    """A name of an activation, half of the time a usual one; None for the default."""
    if arch == "openai-gpt":
        return r.choice([None, "gelu", "relu", "silu", "swish"])
    usual = [None, None, "gelu", "gelu_new", "relu"]
    return r.choice(usual) if r.random() < 0.5 else r.choice(ACTIVATIONS)


def sizes_of(r, arch):
    """Random sizes, and what else the numbers depend on, as arguments of the configuration."""
    if arch in decoders.LLAMAS:
        return decoders.sizes_of(r, arch)
    heads = r.choice([1, 2, 3, 4])
    head, vocab, layers = r.choice([4, 6, 8]), r.choice([60, 61, 97]), r.choice([1, 2, 3])
    inner = r.choice([20, 40, 64])
    if arch in T5S:
        act, buckets = activation_of(r, arch) or r.choice(["relu", "gelu"]), r.choice([4, 8, 32])
        config = {
            "vocab_size": vocab,
            "d_model": heads * head if r.random() < 0.5 else 24,
            "d_kv": r.choice([4, 5, 8]),
            "d_ff": inner,
            "num_layers": layers,
            "num_heads": heads,
            "relative_attention_num_buckets": buckets,
            "relative_attention_max_distance": max(buckets, r.choice([8, 20, 128])),  # or transformers divides by 0
            "feed_forward_proj": "gated-" * (r.random() < 0.5) + act,
            "layer_norm_epsilon": r.choice([1e-6, 1e-6, 1e-3]),
        }
        if r.random() < 0.6:
            config["num_decoder_layers"] = r.choice([1, 2, 3])
        if r.random() < 0.4:
            config.update(r.choice(T5_EXTRAS))
        return config
    if arch == "bart":
        return {
            "vocab_size": vocab,
            "d_model": 24,
            "encoder_layers": layers,
            "decoder_layers": r.choice([1, 2, 3]),
            "encoder_attention_heads": heads,
            "decoder_attention_heads": r.choice([1, 2, 3, 4]),
            "encoder_ffn_dim": inner,
            "decoder_ffn_dim": r.choice([20, 40, 64]),
            "max_position_embeddings": r.choice([16, 20, 40]),
            "scale_embedding": r.random() < 0.5,
            "decoder_start_token_id": r.choice([2, 2, 5]),
            "forced_eos_token_id": r.choice([2, None]),
        }
    if arch in ("gpt2", "openai-gpt"):
        config = {
            "vocab_size": vocab,
            "n_embd": heads * head,
            "n_layer": layers,
            "n_head": heads,
            "n_positions": r.choice([16, 20, 40]),
            "bos_token_id": 1,
            "eos_token_id": 2,
            "layer_norm_epsilon": r.choice([1e-5, 1e-5, 1e-12, 1e-3]),
        }
        if arch == "gpt2":
            config["n_inner"] = r.choice([None, inner])
            for key, value in (("scale_attn_by_inverse_layer_idx", True), ("scale_attn_weights", False)):
                if r.random() < 0.15:
                    config[key] = value
        return config
    if arch == "xlnet":
        config = {"vocab_size": vocab, "d_model": heads * head, "n_layer": layers, "n_head": heads, "d_inner": inner}
        config["layer_norm_eps"] = r.choice([1e-12, 1e-12, 1e-5, 1e-3])
        changes = [{"clamp_len": 4}, {"clamp_len": 20}, {"same_length": True}, {"mem_len": 3, "use_mems_train": True}]
        changes += [{"bi_data": True}, {"attn_type": "uni"}, {"reuse_len": 2}, {"summary_type": "first"}]
        if r.random() < 0.5:
            config.update(r.choice(changes))
        return config
    if arch == "distilbert":
        config = {"vocab_size": vocab, "dim": heads * head, "n_layers": layers, "n_heads": heads, "hidden_dim": inner}
        config["max_position_embeddings"] = r.choice([16, 20, 40])
        if r.random() < 0.15:
            config["sinusoidal_pos_embds"] = True
        return config
    if arch == "modernbert":
        return modernbert_sizes(r, vocab, heads * head, layers, heads, inner)
    config = {
        "vocab_size": vocab,
        "hidden_size": heads * head,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": r.choice([24, 40]),
        "type_vocab_size": r.choice([1, 2, 2, 3]),
        "layer_norm_eps": r.choice([1e-12, 1e-12, 1e-5, 1e-3]),
    }
    if arch == "deberta-v2":
        config.update(deberta_of(r))
    if arch == "mpnet":
        del config["type_vocab_size"]
        config["relative_attention_num_buckets"] = r.choice([32] * 9 + [64])
    if arch in ("albert", "electra", "roformer"):
        config["embedding_size"] = r.choice([heads * head, 16, 10])
    if arch == "albert":
        config["num_hidden_groups"] = r.choice([1, 1, layers])
        config["inner_group_num"] = r.choice([1, 1, 2])
    if arch == "roformer" and r.random() < 0.15:
        config["rotary_value"] = True
    if arch == "ernie" and r.random() < 0.5:
        config.update(use_task_id=True, task_type_vocab_size=r.choice([3, 16]))
    if arch in DECODERS and r.random() < 0.12:
        config["is_decoder"] = True
        if r.random() < 0.3:
            config["add_cross_attention"] = True
    return config


def modernbert_sizes(r, vocab, hidden, layers, heads, inner):
    """Every key that changes a number of ModernBERT, under the old names of its keys or the new ones."""
    config = {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "num_hidden_layers": layers + r.choice([0, 1, 2]),
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "local_attention": r.choice([2, 3, 6, 10, 128]),
        "norm_eps": r.choice([1e-5, 1e-5, 1e-3]),
        "pad_token_id": r.choice([0, 5]),
    }
    for key in "attention_bias mlp_bias norm_bias classifier_bias decoder_bias".split():
        if r.random() < 0.3:
            config[key] = key != "decoder_bias"
    if r.random() < 0.3:
        config["classifier_activation"] = r.choice(["relu", "gelu_new", "silu", "gelu"])
    thetas = [r.choice([10.0, 500.0, 160000.0]), r.choice([10.0, 500.0, 10000.0])]
    if r.random() < 0.5:
        kinds = ["full_attention", "sliding_attention"]
        config["rope_parameters"] = {k: {"rope_theta": t, "rope_type": "default"} for k, t in zip(kinds, thetas)}
        config["layer_types"] = [r.choice(kinds) for _ in range(config["num_hidden_layers"])]
        if r.random() < 0.1:
            config["rope_parameters"]["full_attention"].update(rope_type="linear", factor=2.0)
    else:
        config.update(global_rope_theta=thetas[0], local_rope_theta=thetas[1])
        config["global_attn_every_n_layers"] = r.choice([1, 2, 3])
    return dict(config, **{f"{key}_token_id": 1 for key in ("bos", "eos", "cls", "sep")})


def deberta_of(r):
    """What DeBERTa's positions, its convolution and its two heads depend on."""
    config = {
        "type_vocab_size": r.choice([0, 0, 2]),
        "relative_attention": r.random() < 0.9,
        "pos_att_type": r.choice([["c2p", "p2c"], "p2c|c2p", ["c2p"], ["p2c"], "p2c"]),
        "share_att_key": r.random() < 0.5,
        "position_buckets": r.choice([-1, 4, 8, 9, 16]),
        "max_relative_positions": r.choice([-1, 12, 13, 20]),
        "norm_rel_ebd": r.choice(["none", "layer_norm"]),
        "position_biased_input": r.random() < 0.5,
        "legacy": r.random() < 0.6,
    }
    if r.random() < 0.4:
        config.update(conv_kernel_size=r.choice([1, 3, 5]), conv_act=r.choice(["gelu", "gelu_new", "tanh", "sigmoid"]))
    if config["legacy"] and r.random() < 0.3:
        config["embedding_size"] = r.choice([10, 16])
    return config


def random_edits(r, arch, config):
    """What was done to the folder after transformers had written it; mostly nothing."""
    if r.random() < 0.6:
        return []
    of_all = [
        ["remove_keys", r.randrange(10**6), r.choice([1, 1, 3])],
        ["set_key", "model_type", arch + "-next"],
        ["remove_key", "model_type"],
        ["remove_key", "architectures"],
        ["set_key", "chunk_size_feed_forward", 4],
        ["set_key", "pruned_heads", {"0": [0]}],
        ["set_key", "my_own_key", 3],
        ["position_ids"],
        ["duplicate_head", False],
        ["duplicate_head", True],
    ]
    encoders = [
        ["set_key", "position_embedding_type", r.choice(["absolute", "relative_key", "relative_key_query"])],
        ["old_norms"],
        ["set_key", "num_hidden_layers", 1],
    ]
    return [r.choice(of_all + (encoders if "hidden_size" in config else []))]


def random_case(seed, index):
    """The case of a seed and an index, the same on every machine. The architectures take turns."""
    r = random.Random(f"{seed}/{index}")
    arch = list(ARCHITECTURES)[index % len(ARCHITECTURES)]
    prefix, heads, tasks = ARCHITECTURES[arch]
    suffix = r.choice(heads) if r.random() < 0.8 or not tasks else r.choice(tasks)
    config = sizes_of(r, arch)
    if arch not in (*T5S, *decoders.LLAMAS):
        act = activation_of(r, arch)
        if act is not None:
            config[HIDDEN_ACT.get(arch, "hidden_act")] = act
    if arch not in (*T5S, *decoders.LLAMAS) and r.random() < 0.2:
        config["tie_word_embeddings"] = False
    if r.random() < 0.35:
        pads = [0, 1, 5, r.randrange(10)] + [None] * (arch not in ROBERTAS)
        config["pad_token_id"] = r.choice(pads)
    case = Case(f"random:{seed}:{index}", prefix + suffix, config)
    case.store = r.choice(["float32"] * 4 + ["float16", "bfloat16"])
    case.shard_size = r.choice([None, None, None, 8000])
    case.edits = random_edits(r, arch, config)
    return case


# ---------------------------------------------------------------------------------- changes of a saved folder


def edit_config(folder, change):
    path = pathlib.Path(folder, "config.json")
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config, indent=2))


def set_key(folder, key, value):
    edit_config(folder, lambda config: config.update({key: value}))


def remove_key(folder, key):
    edit_config(folder, lambda config: config.pop(key, None))


def remove_keys(folder, seed, count):
    """Without some of the keys, so that defaults count."""

    def change(config):
        for key in random.Random(seed).sample(sorted(config), count):
            del config[key]

    edit_config(folder, change)


def edit_weights(folder, change):
    """`change` gets {name: tensor}; what it leaves is written as one file."""
    from safetensors.torch import load_file, save_file

    tensors = {}
    for path in pathlib.Path(folder).glob("*.safetensors*"):
        if path.suffix == ".safetensors":
            tensors.update(load_file(str(path)))
        path.unlink()
    change(tensors)
    save_file(tensors, str(pathlib.Path(folder, "model.safetensors")), metadata={"format": "pt"})


# the name of a head's table -> the end of the name of the embeddings, and the table's own bias
HEADS = {
    "cls.predictions.decoder.weight": "word_embeddings.weight",
    "predictions.decoder.weight": "word_embeddings.weight",
    "lm_head.decoder.weight": "word_embeddings.weight",
    "vocab_projector.weight": "word_embeddings.weight",
    "generator_lm_head.weight": "word_embeddings.weight",
    "lm_head.weight": r"(wte|tokens_embed|shared).weight",
    "decoder.weight": "tok_embeddings.weight",
    "lm_loss.weight": "word_embedding.weight",
}
MARKS = {  # what a file has that has such a head
    "cls.predictions.decoder.weight": "cls.predictions.bias",
    "predictions.decoder.weight": "predictions.bias",
    "lm_head.decoder.weight": "lm_head.bias",
    "vocab_projector.weight": "vocab_projector.bias",
    "generator_lm_head.weight": "generator_lm_head.bias",
    "lm_head.weight": "",
    "decoder.weight": "decoder.bias",
    "lm_loss.weight": "lm_loss.bias",
}


def duplicate_head(folder, other):
    """The table of the head too, as old files have it: the embeddings once more, or another one."""
    import torch

    name = json.loads(pathlib.Path(folder, "config.json").read_text()).get("architectures", [""])[0]

    def change(tensors):
        for head, end in HEADS.items():
            tables = [table for key, table in tensors.items() if re.search(end + "$", key)]
            generates = re.search("LMHead|ConditionalGeneration|DoubleHeads", name)
            if (MARKS[head] in tensors or not MARKS[head] and generates) and tables and head not in tensors:
                tensors[head] = tables[0].clone()
                if other:
                    torch.manual_seed(5)
                    tensors[head].copy_(0.3 * torch.randn_like(tables[0].float()))

    edit_weights(folder, change)


def position_ids(folder):
    """The buffer that files had before transformers 4.31."""
    import torch

    def change(tensors):
        for name in [name for name in tensors if name.endswith("position_embeddings.weight")]:
            rows = len(tensors[name])
            tensors[name.replace("position_embeddings.weight", "position_ids")] = torch.arange(rows)[None]

    edit_weights(folder, change)


def old_norms(folder):
    """LayerNorm.gamma and .beta, as the first conversions have them."""

    def change(tensors):
        for name in list(tensors):
            new = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[new] = tensors.pop(name)

    edit_weights(folder, change)


EDITS = {f.__name__: f for f in (set_key, remove_key, remove_keys, duplicate_head, position_ids, old_norms)}


# --------------------------------------------------------------------------------------------- transformers' side


class NotMade(Exception):
    """transformers does not make this model, or does not load it again."""


def brief(error):
    """The kind of an exception and the first line of it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"


def make(case):
    """The model of a case, with weights large enough for errors to show."""
    import torch
    import transformers

    cls = getattr(transformers, case.class_name)
    config = cls.config_class(**case.config)
    if case.name.startswith("class:"):
        with contextlib.suppress(Exception), torch.device("meta"):
            count = sum(p.numel() for p in cls(config).parameters())
            config = cls.config_class(**case.config)
            if count > LARGEST:
                raise NotMade(f"{count} parameters after shrinking") from None
    model = cls(config)
    torch.manual_seed(len(case.name))
    learned = case.class_name.startswith("Bart")  # its tables of positions; RoFormer's are sines
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "embed_positions" in key and not learned or not parameter.dtype.is_floating_point:
                continue
            noise = torch.randn_like(parameter)
            scale = 0.3 if "embed" in key or parameter.ndim <= 1 else 0.2
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(1 + scale * noise if is_gamma else scale * noise)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
    return model.eval()


def save(case, model, folder):
    """Write the folder of a case."""
    import torch

    if case.store != "float32":
        model = model.to(getattr(torch, case.store))
    model.save_pretrained(folder, **({"max_shard_size": case.shard_size} if case.shard_size else {}))
    for name, *arguments in case.edits:
        EDITS[name](folder, *arguments)


def reload(case, folder):
    """What transformers makes of the folder, in float32. Raises NotMade if it is not sure itself."""
    import torch
    import transformers

    cls = getattr(transformers, case.class_name)
    try:
        model, info = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    except Exception as e:
        raise NotMade("transformers does not load it: " + brief(e)) from None
    if info["missing_keys"] or info["mismatched_keys"]:
        raise NotMade(f"transformers misses {sorted(map(str, info['missing_keys'] or info['mismatched_keys']))[:3]}")
    for module in model.modules():
        if "SinusoidalPositionalEmbedding" in type(module).__name__ and case.store != "float32":
            with torch.no_grad():  # they read the sines too from the file, where half precision has rounded them
                module.weight.copy_(module.create_weight())
    return model.eval()


def batch(config):
    """{input: int64 array} for a configuration: three texts, padded on the right with its padding id, if it has one.

    Real tokens are of the whole vocabulary but the padding id: 0 is a word like any other if something else is padding.
    """
    r = np.random.RandomState(0)
    pad = getattr(config, "pad_token_id", None)
    pad = pad if isinstance(pad, int) and pad >= 0 else None
    words = np.array([i for i in range(getattr(config, "vocab_size", None) or 60) if i != pad])
    ids = r.choice(words, (BATCH, LENGTH))
    ids[:, 1] = words[0]  # the lowest one is surely there
    mask = np.ones((BATCH, LENGTH), "int64")
    if pad is not None:
        mask = (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype("int64")
        ids = np.where(mask == 1, ids, pad)
    kinds = getattr(config, "type_vocab_size", None) or (3 if config.model_type == "xlnet" else 1)
    segments = np.cumsum(r.rand(BATCH, LENGTH) < 0.15, axis=1) % (kinds if isinstance(kinds, int) else 1)
    decoder = r.choice(words, (BATCH, DECODER_LENGTH))
    decoder[:, 0] = getattr(config, "decoder_start_token_id", None) or pad or 0
    return {"ids": ids, "segments": segments * mask, "mask": mask, "decoder": decoder}


def takes(module, name):
    import inspect

    return name in inspect.signature(module.forward).parameters


def ask(module, inputs, config):
    """The outputs of a module of transformers for a batch."""
    import torch

    feed = {"input_ids": inputs["ids"], "attention_mask": inputs["mask"]}
    if takes(module, "token_type_ids") and (getattr(config, "type_vocab_size", 0) or config.model_type == "xlnet"):
        feed["token_type_ids"] = inputs["segments"]
    if takes(module, "decoder_input_ids"):
        feed["decoder_input_ids"] = inputs["decoder"]
    if takes(module, "bbox"):
        feed["bbox"] = np.zeros((BATCH, LENGTH, 8 if config.model_type == "bros" else 4), "int64")
    feed = {key: torch.from_numpy(value) for key, value in feed.items() if takes(module, key)}
    with torch.no_grad():
        return module(**feed, output_hidden_states=True, return_dict=True)


def last_of(out):
    """(the encoder's last hidden states or None, those of the network)"""
    encoder = getattr(out, "encoder_last_hidden_state", None)
    hidden = getattr(out, "last_hidden_state", None)
    if hidden is None:
        blocks = getattr(out, "decoder_hidden_states", None) or getattr(out, "hidden_states", None)
        hidden = blocks[-1]
    return encoder, hidden


@dataclasses.dataclass
class Reference:
    """What transformers answers: arrays, None for what the class has not."""

    hidden: np.ndarray
    encoder: np.ndarray | None = None
    pooled: np.ndarray | None = None
    head: str | None = None  # the keyword of b4k3 for `logits`
    logits: np.ndarray | None = None
    nsp: np.ndarray | None = None
    tied: np.ndarray | None = None  # hidden states times embeddings, what a bare decoder of b4k3 gives


def reference(case, model, inputs):
    """Run transformers. Raises NotMade if it does not run, or not to finite numbers."""
    import torch

    name, config = case.class_name, model.config
    base = getattr(model, model.base_model_prefix, model)
    try:
        out = ask(base, inputs, config)
        encoder, hidden = last_of(out)
        found = Reference(hidden=hidden, encoder=encoder, pooled=getattr(out, "pooler_output", None))
        embeddings = model.get_input_embeddings().weight
        if embeddings.shape[1] == hidden.shape[-1]:
            found.tied = hidden @ embeddings.T
        if re.search(
            "ForMaskedLM|ForPreTraining|ForCausalLM|LMHeadModel|DoubleHeads|ConditionalGeneration|NextSentence", name
        ):
            out = ask(model, inputs, config)
            logits = getattr(out, "prediction_logits", None)
            found.logits = out.logits if logits is None else logits
            if "Electra" in name and "ForPreTraining" in name:
                found.head, found.logits = "with_discriminator", found.logits[..., None]
            elif "NextSentence" in name:
                found.nsp, found.logits = torch.softmax(out.logits, -1), None
            else:
                found.head = "with_lm" if config.is_encoder_decoder or config.model_type == "xlnet" else "with_mlm"
            for key in ("seq_relationship_logits", "sop_logits"):
                if getattr(out, key, None) is not None:
                    found.nsp = torch.softmax(getattr(out, key), -1)
    except Exception as e:
        raise NotMade("transformers does not run it: " + brief(e)) from None
    for field in dataclasses.fields(found):
        value = getattr(found, field.name)
        if isinstance(value, torch.Tensor):
            setattr(found, field.name, value.detach().numpy())
            if not np.isfinite(getattr(found, field.name)).all():
                raise NotMade("transformers computes infinities")
    return found


# -------------------------------------------------------------------------------------------------- b4k3's side


class Refused(Exception):
    """b4k3 refuses with an error of its own."""


class Wrong(Exception):
    """b4k3 computes something else."""


def build(folder, **kwargs):
    """The Transformer of a folder; a refusal is a `Refused`, every other exception goes on."""
    from b4k3.models import CheckpointError, ConfigError, build_transformer_model

    try:
        return build_transformer_model(folder, return_keras_model=False, **kwargs)
    except (ConfigError, CheckpointError, FileNotFoundError) as e:
        if len(str(e)) > LONGEST_MESSAGE:
            raise RuntimeError(f"a message of {len(str(e))} characters: {brief(e)}") from None
        if not str(e).strip():
            raise RuntimeError(f"{type(e).__name__} says nothing") from None
        raise Refused(brief(e)) from None


INPUTS = {
    "Input-Token": "ids",
    "Encoder-Input-Token": "ids",
    "Decoder-Input-Token": "decoder",
    "Input-Segment": "segments",
}


def answers(model, inputs):
    """The outputs of a Keras model for a batch: arrays, one for each output."""
    from support.harness import answer

    feed = []
    for tensor in model.inputs:
        name = tensor.name.split(":")[0]
        if re.search("task", name, re.I):
            feed.append(np.zeros((BATCH, LENGTH), "float32"))  # transformers takes task 0 if it is told nothing
        else:
            feed.append(inputs[INPUTS[name]].astype("float32"))
    return answer(model, feed)


def compare(what, got, want, mask=None):
    """Raise Wrong unless two arrays are equal, at the tokens of the mask."""
    if got.shape != want.shape:
        raise Wrong(f"{what}: shape {list(got.shape)} instead of {list(want.shape)}")
    if mask is not None:
        got, want = got[mask == 1], want[mask == 1]
    difference = np.abs(got - want).max()
    if not difference <= TOLERANCE * max(1.0, np.abs(want).max()):
        raise Wrong(f"{what}: differs by {difference:.3g}, largest value {np.abs(want).max():.3g}")


class Comparison:
    """One folder, built by b4k3 in several ways, each compared with the same answers."""

    def __init__(self, case, folder):
        self.case, self.folder = case, folder
        self.compared, self.notes, self.first = [], [], None

    def run(self):
        """Raises Refused, Wrong, NotMade, or what b4k3 raises."""
        from b4k3 import models

        self.first = first = build(self.folder)
        theirs = reload(self.case, self.folder)
        self.inputs = batch(theirs.config)
        try:
            self.want = want = reference(self.case, theirs, self.inputs)
        except NotMade as e:
            if self.case.name.startswith("class:"):  # a network that asks for more than ids is not one of b4k3's
                raise Wrong(f"loaded, and nothing to compare with: {e}") from None
            raise
        if isinstance(first, models.GPT):
            self.decoder()
        elif isinstance(first, (models.T5_Base, models.BART_Base)):
            self.two_halves(first, {"logit_scale": False} if isinstance(first, models.T5_Base) else {})
        elif isinstance(first, models.Llama):
            self.llama()
        else:
            self.encoder(first)
        return theirs, want

    def try_head(self, what, **kwargs):
        """The Transformer with a head, None (and a note) if b4k3 refuses the head alone."""
        try:
            return build(self.folder, **kwargs)
        except Refused as e:
            self.notes.append(f"{what} refused: {e}")
            return None

    def check(self, what, got, want, mask=None):
        compare(what, got, want, mask)
        self.compared.append(what)

    def encoder(self, first):
        """Hidden states; the pooler if the class has one; every head that class and library both have."""
        want, mask = self.want, self.inputs["mask"]
        self.check("hidden", answers(first.model, self.inputs)[0], want.hidden, mask)
        heads = {}
        if want.nsp is not None:
            heads["with_nsp"] = True
        if want.logits is not None:
            heads[want.head] = "linear"
        if not heads:
            if want.pooled is not None and self.case.class_name.endswith("Model"):
                pooled = self.try_head("pooler", with_pool=True)
                if pooled is not None:
                    self.check("pooled", answers(pooled.model, self.inputs)[0], want.pooled)
            return
        headed = self.try_head("head", **heads)
        if headed is None:
            return
        outputs = answers(headed.model, self.inputs)
        if want.nsp is not None:
            self.check("nsp", outputs.pop(0), want.nsp)
        if want.logits is not None:
            self.check(want.head, outputs[-1], want.logits, mask)

    def decoder(self):
        """Logits, which for a bare model are the hidden states times the embeddings."""
        want, model = self.want, build(self.folder, final_activation="linear").model
        logits = want.tied if want.logits is None else want.logits
        if logits is None:
            raise NotMade("no logits to compare with")
        self.check("logits", answers(model, self.inputs)[0], logits, self.inputs["mask"])

    def llama(self):
        """Hidden states and, of a class with an output, logits."""
        want, mask = self.want, self.inputs["mask"]
        bare = build(self.folder, with_lm=False)
        self.check("hidden", answers(bare.model, self.inputs)[0], want.hidden, mask)
        if want.logits is not None:
            headed = build(self.folder, with_lm="linear")
            self.check("logits", answers(headed.model, self.inputs)[0], want.logits, mask)

    def two_halves(self, first, unscaled):
        """The encoder's hidden states; the decoder's without a factor; the logits."""
        want, mask = self.want, self.inputs["mask"]
        if [x.name.split(":")[0] for x in first.model.inputs] == ["Encoder-Input-Token"]:
            self.check("hidden", answers(first.model, self.inputs)[0], want.hidden, mask)
            return
        bare = build(self.folder, with_lm=False, **unscaled)
        if want.encoder is None:
            self.check("encoder", answers(bare.encoder, self.inputs)[0], want.hidden, mask)
            return
        self.check("encoder", answers(bare.encoder, self.inputs)[0], want.encoder, mask)
        self.check("hidden", answers(bare.model, self.inputs)[0], want.hidden)
        if want.logits is not None:
            headed = self.try_head("head", with_lm="linear")
            if headed is not None:
                self.check("with_lm", answers(headed.model, self.inputs)[0], want.logits)


# ----------------------------------------------------------------------------------------------- the way back


def command(arguments):
    """(exit code, what it printed) of the command line, which writes to the file descriptor 1."""
    from b4k3.models.cli import main

    errors = io.StringIO()
    with tempfile.TemporaryFile() as printed:
        before = os.dup(1)
        os.dup2(printed.fileno(), 1)
        try:
            with contextlib.redirect_stderr(errors):
                code = main(arguments)
        finally:
            os.dup2(before, 1)
            os.close(before)
        printed.seek(0)
        return code, " ".join((printed.read().decode() + errors.getvalue()).split())


def way_back(case, folder, theirs, want, scratch):
    """Convert to the original authors' names and back: transformers loads it and computes the same.

    Returns:
        'equal', 'refused: …', 'silent: …' or 'crash: …'.
    """
    google, target = os.path.join(scratch, "google"), os.path.join(scratch, "huggingface")
    try:
        for source, written, names in ((folder, google, "google"), (google, target, "huggingface")):
            code, printed = command(["convert", source, written, "--to", names])
            if code:
                return f"refused: convert --to {names}: {printed[-300:]}"
        again, info = type(theirs).from_pretrained(target, output_loading_info=True)
        # sines, which they compute, and the head of a task, which is no part of the network
        fixed = {key for key in info["missing_keys"] if "embed_positions" in key or "multiple_choice_head" in key}
        wrong = [sorted(map(str, info[key]))[:3] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")]
        if set(info["missing_keys"]) - fixed or info["unexpected_keys"] or info["mismatched_keys"]:
            return f"silent: transformers finds missing, unexpected, mismatched keys: {wrong}"
        inputs = batch(theirs.config)
        got = reference(case, again.float().eval(), inputs)
        for field, mask in (("hidden", "mask"), ("logits", "mask"), ("nsp", None), ("encoder", "mask")):
            if getattr(want, field) is not None:
                shaped = getattr(want, field).shape[:2] == inputs["mask"].shape
                compare(field, getattr(got, field), getattr(want, field), inputs["mask"] if mask and shaped else None)
        code, printed = command(["verify", folder, target])
        return "equal" if code == 0 else f"silent: verify says {code}: {printed[-300:]}"
    except Wrong as e:
        return f"silent: {e}"
    except Exception as e:
        return f"crash: {brief(e)}"


# ---------------------------------------------------------------------------------------------------- one case


@contextlib.contextmanager
def at_most(seconds):
    """Raise TimeoutError if the block takes longer."""

    def stop(*_):
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def quiet():
    """No progress bars and no warnings of transformers."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def run(case, both_directions=False, keep=None, seconds=60):
    """The Outcome of a case. Arguments: keep: a folder to write the files into, None for a temporary one."""
    from support.harness import fresh_session

    quiet()
    scratch = keep or tempfile.mkdtemp(prefix="sweep-")
    folder = os.path.join(scratch, "folder")
    comparison = Comparison(case, folder)
    try:
        try:
            with at_most(seconds):
                save(case, make(case), folder)
        except Exception as e:
            return Outcome("not made", str(e) if isinstance(e, NotMade) else brief(e))
        with at_most(seconds):
            theirs, want = comparison.run()
        outcome = Outcome("equal", "; ".join(comparison.notes), comparison.compared)
        headed = set(comparison.compared) & {"nsp", "with_mlm", "with_lm", "with_discriminator", "logits"}
        if both_directions and headed and not comparison.notes and want.logits is not None:
            with at_most(seconds):
                outcome.back = way_back(case, folder, theirs, want, scratch)
        return outcome
    except Refused as e:
        return Outcome("refused", str(e))
    except Wrong as e:
        return Outcome("silent", f"{e}, as {getattr(comparison.first, 'model_key', '?')}", comparison.compared)
    except NotMade as e:
        return Outcome("no reference", str(e))
    except Exception as e:
        import traceback

        frame = traceback.extract_tb(e.__traceback__)[-1]
        where = f"{pathlib.Path(frame.filename).name}:{frame.lineno}"
        return Outcome("crash", f"{brief(e)} ({where})", comparison.compared)
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)
        if comparison.first is not None:
            fresh_session()
        gc.freeze()  # what was imported stays: the collector, which Keras calls each time, need not look at it again


def case_named(name):
    """The case of a name."""
    kind, *rest = name.split(":")
    if kind == "random":
        return random_case(*map(int, rest))
    for case in class_cases()[0]:
        if case.name == name:
            return case
    raise ValueError(f"no case has the name {name!r}")


# ----------------------------------------------------------------------------------------------------- all cases

PER_WORKER = 100  # cases; then a new process, so that memory stays flat
MEMORY = 12 << 30  # bytes that a worker may take


def work(both_directions):
    """A worker: a case a line on standard input, a record a line on standard output, both JSON."""
    import resource

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no result
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY * 4, MEMORY * 4))
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        case, begin = Case(**json.loads(line)), time.time()
        outcome = run(case, both_directions)
        record = dict(
            dataclasses.asdict(outcome), name=case.name, case=str(case), seconds=round(time.time() - begin, 2)
        )
        print(json.dumps(record), file=out, flush=True)


class Progress:
    """A line on standard error that says how far it is; nothing where that is no terminal."""

    def __init__(self, total):
        self.total, self.done, self.begin = total, 0, time.time()
        self.shown = sys.stderr.isatty()

    def step(self, counts):
        self.done += 1
        if self.shown:
            words = "  ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
            left = (time.time() - self.begin) / self.done * (self.total - self.done)
            print(f"\r\033[K{self.done}/{self.total}  {words}  {left:.0f} s left", end="", file=sys.stderr)

    def close(self):
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def run_all(cases, jobs=1, both_directions=False, path=None):
    """Records of all cases, in their order, also written to a file of JSON lines as they come.

    Workers, each a process of its own, take turns; a case that ends its worker has crashed.
    """
    import concurrent.futures
    import threading

    progress, counts, lock = Progress(len(cases)), collections.Counter(), threading.Lock()
    records = {}

    def chunk(part):
        while part:
            arguments = [sys.executable, os.path.abspath(__file__), "--worker"]
            arguments += ["--both-directions"] * both_directions
            process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            feeder = threading.Thread(target=feed, args=(process, part), daemon=True)
            feeder.start()
            done = 0
            for line in process.stdout:
                record = json.loads(line)
                done += 1
                note(record)
            process.wait()
            if done < len(part):
                text = f"the process ended with {process.returncode}"
                record = dataclasses.asdict(Outcome("crash", text))
                note(dict(record, name=part[done].name, case=str(part[done]), seconds=0))
                done += 1
            part = part[done:]

    def feed(process, part):
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("".join(json.dumps(dataclasses.asdict(case)) + "\n" for case in part))
            process.stdin.close()

    def note(record):
        with lock:
            records[record["name"]] = record
            if path:
                with open(path, "a") as f:
                    f.write(json.dumps(record) + "\n")
            counts[record["kind"]] += 1
            progress.step(counts)

    parts = [cases[i : i + PER_WORKER] for i in range(0, len(cases), PER_WORKER)]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(chunk, parts))
    progress.close()
    return [records[case.name] for case in cases]


def reason_of(record):
    """The kind of a reason: the text without names and numbers, so that alike ones are counted together."""
    text = re.sub(r"/\S*/folder\S*", "FOLDER", record["text"])
    text = re.sub(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|-?\d[\d.e+-]*", "…", text)
    return text[:110]


def print_table(records):
    """Counts of the outcomes, and of the reasons within each; all failures."""
    for group, title in (("class", "every class"), ("random", "random configurations")):
        of_group = [record for record in records if record["name"].startswith(group + ":")]
        if not of_group:
            continue
        print(f"\n{title}: {len(of_group)} cases")
        for kind in ("equal", "refused", "silent", "crash", "no reference", "not made"):
            of_kind = [record for record in of_group if record["kind"] == kind]
            if kind == "equal":
                of_kind = [dict(r, text=" | ".join([", ".join(r["compared"]), r["text"]])) for r in of_kind]
            print(f"  {kind:<13} {len(of_kind):5d}")
            for reason, count in collections.Counter(map(reason_of, of_kind)).most_common(12):
                print(f"      {count:5d}  {reason}")
        backs = [record for record in of_group if record["back"]]
        if backs:
            print(f"  written back, {len(backs)} cases")
            reasons = collections.Counter(reason_of({"text": record["back"]}) for record in backs)
            for reason, count in reasons.most_common(12):
                print(f"      {count:5d}  {reason}")
    failed = [record for record in records if is_failure(record)]
    if failed:
        print(f"\n{len(failed)} failures")
        for record in failed:
            text = f"{record['kind'].upper()} {record['text']}" if record["kind"] in FAILURES else record["back"]
            print(f"  {record['case']}\n      {text}")
    print(f"\n{len(records)} cases, {len(failed)} failed")


def short(reason):
    return reason.split(":")[0]


def is_failure(record):
    return Outcome(record["kind"], back=record["back"]).failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", action="store_true", help="every text class of transformers")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="so many random configurations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="class:NAME or random:SEED:INDEX")
    parser.add_argument("--both-directions", action="store_true", help="also convert to google's names and back")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="append a record of each case there, one a line")
    parser.add_argument("--keep", metavar="FOLDER", help="with --only: write the files of the case there")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments.both_directions)
    if arguments.keep:
        case = case_named(arguments.only[0])
        print(case)
        print(run(case, arguments.both_directions, arguments.keep))
        return 0
    cases, without = [case_named(name) for name in arguments.only], {}
    if arguments.classes:
        of_classes, without = class_cases()
        cases += of_classes
    cases += [random_case(arguments.seed, index) for index in range(arguments.random)]
    if not cases:
        parser.error("nothing to do: --classes, --random N or --only NAME")
    records = run_all(cases, arguments.jobs, arguments.both_directions, arguments.json)
    print_table(records)
    for reason in sorted(set(map(short, without.values()))):
        names = [name for name in sorted(without) if short(without[name]) == reason]
        print(f"\n{len(names)} classes without a case, {reason}: {', '.join(names)}")
    return int(any(map(is_failure, records)))


if __name__ == "__main__":
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    sys.exit(main())
