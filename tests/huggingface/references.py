"""Tiny models of Hugging Face transformers with random weights, and what they answer.

Needs transformers 4.57.6, the last one with NEZHA and with converters from TensorFlow, and torch and TensorFlow.
`hatch run transformers4:references` writes `tests/golden/huggingface/` anew, so that the other environments can compare
without transformers; `python tests/huggingface/references.py roberta ernie` writes these folders alone, for which any
transformers that has their classes will do.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
import tempfile

import numpy as np

try:
    from . import cpt
except ImportError:  # run as a program
    import cpt

ROOT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "huggingface"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
}
# name -> (class, what its configuration adds, model= and heads for b4k3, names of the outputs in b4k3's order)
MODELS = {
    "bert": ("BertForPreTraining", {}, {"model": "bert", "with_nsp": True, "with_mlm": "linear"}),
    "albert": (
        "AlbertForPreTraining",
        {"embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2},
        {"model": "albert", "with_nsp": True, "with_mlm": "linear"},
    ),
    "electra": ("ElectraForPreTraining", {"embedding_size": 16}, {"model": "electra", "with_discriminator": "linear"}),
    "electra_generator": (
        "ElectraForMaskedLM",
        {"embedding_size": 16},
        {"model": "electra_generator", "with_mlm": "linear"},
    ),
    "roformer": ("RoFormerForMaskedLM", {"embedding_size": 16}, {"model": "roformer", "with_mlm": "linear"}),
    "nezha": (
        "NezhaForPreTraining",
        {"max_relative_position": 5},
        {"model": "nezha", "with_nsp": True, "with_mlm": "linear"},
    ),
    "roberta": (
        "RobertaForMaskedLM",
        {"num_hidden_layers": 2, "max_position_embeddings": 130},
        {"model": "roberta", "with_mlm": "linear"},
    ),
    "xlm_roberta": (
        "XLMRobertaForMaskedLM",
        {"num_hidden_layers": 2, "max_position_embeddings": 42, "type_vocab_size": 1},
        {"model": "roberta", "with_mlm": "linear"},
    ),
    "camembert": (
        "CamembertForMaskedLM",
        {"num_hidden_layers": 2, "max_position_embeddings": 42, "type_vocab_size": 1},
        {"model": "roberta", "with_mlm": "linear"},
    ),
    "ernie": (
        "ErnieForPreTraining",
        {"num_hidden_layers": 2, "use_task_id": True, "hidden_act": "relu"},
        {"model": "ernie", "with_nsp": True, "with_mlm": "linear"},
    ),
    "megatron_bert": (
        "MegatronBertForPreTraining",
        {"num_hidden_layers": 2, "layer_norm_eps": 1e-5},
        {"model": "megatron_bert", "with_nsp": True, "with_mlm": "linear"},
    ),
}
# as MODELS, with the whole configuration
DISTILBERT = {"vocab_size": 60, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": 40}
MODERNBERT = {key: value for key, value in SIZES.items() if key != "type_vocab_size"}
MODERNBERT.update(num_hidden_layers=2, global_attn_every_n_layers=2, local_attention=6, local_rope_theta=100.0)
MODERNBERT.update({f"{key}_token_id": 1 for key in ("bos", "eos", "cls", "sep")}, pad_token_id=59)
DEBERTA = {
    "vocab_size": 60,
    "hidden_size": 18,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
}
DEBERTA_V2 = {"conv_kernel_size": 3, "conv_act": "gelu", "embedding_size": 12, "max_relative_positions": 11}
MPNET = {key: value for key, value in SIZES.items() if key != "type_vocab_size"}
WITHOUT_SEGMENTS = {
    "modernbert": ("ModernBertForMaskedLM", MODERNBERT, {"model": "modernbert", "with_mlm": "linear"}),
    "distilbert": ("DistilBertForMaskedLM", DISTILBERT, {"model": "distilbert", "with_mlm": "linear"}),
    "deberta_v2": (
        "DebertaV2ForMaskedLM",
        dict(DEBERTA, **DEBERTA_V2),
        {"model": "deberta_v2", "with_mlm": "linear"},
    ),
    "deberta_v3": (
        "DebertaV2ForMaskedLM",
        dict(DEBERTA, position_biased_input=False, share_att_key=True),
        {"model": "deberta_v3", "with_mlm": "linear"},
    ),
    "mpnet": ("MPNetForMaskedLM", dict(MPNET, num_hidden_layers=2), {"model": "mpnet", "with_mlm": "linear"}),
}
# The ids of padding; of the others it is 0.
PADDING = {"bart": 1, "roberta": 1, "xlm_roberta": 1, "camembert": 1, "mpnet": 1, "modernbert": 59, "xlnet": 5}
UIE = dict(SIZES, num_hidden_layers=2, type_vocab_size=4, use_task_id=True, task_type_vocab_size=16)
TWO_HALVES = ("t5", "mt5", "umt5", "bart", "cpt")
XLNET = {"vocab_size": 60, "d_model": 24, "n_layer": 2, "n_head": 3, "d_inner": 40}
WITH_SEGMENTS = {"xlnet": ("XLNetLMHeadModel", XLNET, {"model": "xlnet", "with_lm": "linear"})}
ENCODERS = dict(MODELS, **WITHOUT_SEGMENTS, **WITH_SEGMENTS)
PADDED_LEFT = ("xlnet",)
ONE_SEGMENT = ("xlm_roberta", "camembert")

T5_SIZES = {"vocab_size": 60, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 3}
BART_SIZES = {
    "vocab_size": 60,
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 18,
    "scale_embedding": True,
    "decoder_start_token_id": 0,  # as `decoder_inputs` begin
    "forced_bos_token_id": 9,
    "forced_eos_token_id": 7,
}
GPT_SIZES = {"vocab_size": 60, "n_positions": 40, "n_embd": 24, "n_layer": 2, "n_head": 3}
# as MODELS, with the whole configuration
GENERATIVE = {
    "gpt2": ("GPT2LMHeadModel", dict(GPT_SIZES, n_inner=40), {"model": "gpt2", "final_activation": "linear"}),
    "openai_gpt": ("OpenAIGPTLMHeadModel", GPT_SIZES, {"model": "gpt", "final_activation": "linear"}),
    "bart": ("BartForConditionalGeneration", BART_SIZES, {"model": "bart", "with_lm": "linear"}),
    "t5": (
        "T5ForConditionalGeneration",
        dict(T5_SIZES, num_heads=3, relative_attention_num_buckets=8),
        {"model": "t5.1.0", "with_lm": "linear"},
    ),
    "mt5": (
        "MT5ForConditionalGeneration",
        dict(T5_SIZES, num_heads=3, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
        {"model": "mt5.1.1", "with_lm": "linear"},
    ),
    "umt5": (
        "UMT5ForConditionalGeneration",
        dict(T5_SIZES, d_model=16, d_ff=24, num_heads=2, relative_attention_num_buckets=8),
        {"model": "umt5", "with_lm": "linear"},
    ),
}


LLAMA_SIZES = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
LLAMA3 = {"factor": 4.0, "original_max_position_embeddings": 16, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"factor": 4.0, "original_max_position_embeddings": 10}
WINDOW = {"use_sliding_window": True, "sliding_window": 4}
# name -> (beginning of the class, what its configuration adds): each has a trait of its own
LLAMAS = {
    "llama": (
        "Llama",
        {
            "rope_scaling": dict(LLAMA3, rope_type="llama3"),
            "rope_theta": 100.0,
            "attention_bias": True,
            "mlp_bias": True,
        },
    ),
    "qwen2": ("Qwen2", dict(WINDOW, max_window_layers=1, tie_word_embeddings=True, rope_theta=1000000.0)),
    "qwen3": ("Qwen3", {"head_dim": 6, "rope_scaling": dict(YARN, rope_type="yarn"), "rope_theta": 50.0}),
    "mistral": ("Mistral", {"sliding_window": 5, "rms_norm_eps": 1e-3}),
    "smollm3": ("SmolLM3", dict(WINDOW, no_rope_layer_interval=2)),
}
GENERATIVE.update(
    (name, (cls + "ForCausalLM", dict(LLAMA_SIZES, **extra), {"model": name, "with_lm": "linear"}))
    for name, (cls, extra) in LLAMAS.items()
)


def kwargs_of(name):
    """The arguments of `build_transformer_model` for a model."""
    return dict((ENCODERS.get(name) or GENERATIVE[name])[2])


def inputs(seed=0, padding=0):
    """(ids, segments, mask), int64 [3, 12] each; rows are padded on the right, with `padding`."""
    random = np.random.RandomState(seed)
    ids = random.randint(1, SIZES["vocab_size"], (3, 12))
    segments = np.cumsum(random.rand(3, 12) < 0.1, axis=1) % 2
    mask = np.arange(12) < np.array([[12], [9], [5]])
    if padding:  # which is no token, and 0 is one
        ids = np.where(ids == padding, 0, ids)
    return np.where(mask, ids, padding), segments * mask, mask.astype("int64")


def feed(name):
    """(the inputs of the model of b4k3, mask of the positions to compare)"""
    ids, segments, mask = inputs(padding=PADDING.get(name, 0))
    if name in PADDED_LEFT:
        ids, segments, mask = (array[:, ::-1].copy() for array in (ids, segments, mask))
    if name in WITH_SEGMENTS:
        return [ids, segments], mask
    if name in MODELS:
        return [ids, segments * (name not in ONE_SEGMENT)], mask
    if name in WITHOUT_SEGMENTS:
        return [ids], mask
    if name in TWO_HALVES:
        return [ids, decoder_inputs()], np.ones_like(decoder_inputs())
    return [ids], mask


def permutation():
    """float32 [3, 12, 12]: 1 where a position of XLNet does not see another one. The orders are random."""
    order = np.argsort(np.random.RandomState(3).rand(3, 12), axis=1)
    return (order[:, :, None] <= order[:, None, :]).astype("float32")


def decoder_inputs():
    """int64 [3, 7] that begin with T5's start id, 0."""
    ids = inputs(seed=1)[0][:1, :7].repeat(3, axis=0) + np.array([[0], [1], [2]])
    return np.where(np.arange(7) == 0, 0, 1 + ids % (SIZES["vocab_size"] - 1))


def make(name):
    """A model of transformers with weights large enough for errors to show."""
    import torch
    import transformers

    cls, extra, _ = ENCODERS.get(name) or GENERATIVE[name]
    cls = getattr(transformers, cls)
    model = cls(cls.config_class(**(dict(SIZES, **extra) if name in MODELS else extra)))
    torch.manual_seed(len(name))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "embed_positions" in key and name != "bart":
                continue
            noise = torch.randn_like(parameter)
            scale = 0.3 if "embeddings" in key or parameter.ndim == 1 else 0.2
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(1 + scale * noise if is_gamma else scale * noise)
        if name == "bart":
            model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
    return model.eval()


def answers(model):
    """{output: array}: `hidden` [3, 12, d]; logits `mlm`, `discriminator` or `lm`, probabilities `nsp`."""
    import torch

    name = next(name for name, entry in dict(ENCODERS, **GENERATIVE).items() if entry[0] == type(model).__name__)
    arrays, mask = feed(name)
    ids, mask = torch.from_numpy(arrays[0]), torch.from_numpy(mask if name in PADDED_LEFT else inputs()[2])
    if name in GENERATIVE:
        decoder = {"decoder_input_ids": torch.from_numpy(decoder_inputs())} if model.config.is_encoder_decoder else {}
        with torch.no_grad():
            return {"lm": model(input_ids=ids, attention_mask=mask, **decoder).logits.numpy()}
    segments = {"token_type_ids": torch.from_numpy(arrays[1])} if name in MODELS or name in WITH_SEGMENTS else {}
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, **segments)
    found = {"hidden": out.hidden_states[-1]}
    if "ForPreTraining" in type(model).__name__ and "Electra" in type(model).__name__:
        found["discriminator"] = out.logits[..., None]
    else:
        found["lm" if name in WITH_SEGMENTS else "mlm"] = (
            out.prediction_logits if hasattr(out, "prediction_logits") else out.logits
        )
    for head in ("seq_relationship_logits", "sop_logits"):
        if hasattr(out, head):
            found["nsp"] = torch.softmax(getattr(out, head), -1)
    if name == "xlnet":  # the query stream, at every position
        order = torch.from_numpy(permutation())
        every = torch.eye(12).repeat(3, 1, 1)
        with torch.no_grad():
            found["query"] = model(
                input_ids=ids, attention_mask=mask, perm_mask=order, target_mapping=every, **segments
            ).logits
    return {key: value.numpy() for key, value in found.items()}


def write_uie():
    """UIE as it is published for PyTorch: transformers' ERNIE and two Linear layers, a config without model_type."""
    import torch
    from transformers import ErnieConfig, ErnieModel

    torch.manual_seed(3)
    heads = {"linear_start": torch.nn.Linear(SIZES["hidden_size"], 1), "linear_end": torch.nn.Linear(24, 1)}
    model = torch.nn.ModuleDict(dict(encoder=ErnieModel(ErnieConfig(**UIE)), **heads)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(is_gamma + 0.3 * torch.randn_like(parameter))
        ids, segments, mask = inputs()
        feed = {"input_ids": ids, "token_type_ids": segments, "attention_mask": mask}
        hidden = model["encoder"](**{key: torch.from_numpy(value) for key, value in feed.items()}).last_hidden_state
        found = {name[7:]: torch.sigmoid(model[name](hidden))[..., 0].numpy() for name in heads}
    folder = ROOT / "uie"
    folder.mkdir(exist_ok=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    dropout = {"hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    config = dict(UIE, **dropout, layer_norm_eps=1e-12, initializer_range=0.02, architectures=["UIE"])
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    np.savez_compressed(folder / "expected.npz", ids=ids, segments=segments, mask=mask, **found)


# golden of a TensorFlow checkpoint:model= -> (class, name of its configuration, prefix of the checkpoint)
CONVERTED = {
    "google_bert:bert": ("BertForPreTraining", "bert_config.json", "bert_model.ckpt"),
    "google_bert_realscale:bert": ("BertForPreTraining", "bert_config.json", "bert_model.ckpt"),
    "google_albert:albert": ("AlbertForPreTraining", "albert_config.json", "model.ckpt-best"),
    "google_albert_groups:albert": ("AlbertForPreTraining", "albert_config.json", "model.ckpt-best"),
    "google_electra:electra": ("ElectraForPreTraining", "electra_config.json", "electra_small"),
    "google_electra:electra_generator": ("ElectraForMaskedLM", "generator_config.json", "electra_small"),
}


def convert(key):
    """The model that the TensorFlow converter of transformers makes of a golden checkpoint. Needs TensorFlow.

    It is what the scripts convert_*_original_tf_checkpoint_to_pytorch do: these functions on a model of the config.
    """
    import transformers
    from transformers.models.albert.modeling_albert import load_tf_weights_in_albert
    from transformers.models.bert.modeling_bert import load_tf_weights_in_bert
    from transformers.models.electra.modeling_electra import load_tf_weights_in_electra

    system, model_key = key.split(":")
    name, config, checkpoint = CONVERTED[key]
    cls = getattr(transformers, name)
    model = cls(cls.config_class.from_json_file(str(ROOT.parent / system / config)))
    path = str(ROOT.parent / system / checkpoint)
    if model_key.startswith("electra"):
        part = "generator" if model_key == "electra_generator" else "discriminator"
        return load_tf_weights_in_electra(model, model.config, path, discriminator_or_generator=part)
    load = load_tf_weights_in_bert if model_key == "bert" else load_tf_weights_in_albert
    return load(model, model.config, path)


def digest(array):
    """dtype, shape and SHA-256 of the bytes of an array."""
    return f"{array.dtype} {list(array.shape)} {hashlib.sha256(np.ascontiguousarray(array)).hexdigest()}"


def digests(model):
    """{name: digest} of the safetensors file that transformers writes."""
    from safetensors.numpy import load_file

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return {name: digest(array) for name, array in load_file(folder + "/model.safetensors").items()}


def stored_digests():
    """{key of CONVERTED: {name: digest}}, as `main` stored them."""
    return json.loads((ROOT / "converted.json").read_text())


def write_cpt(folder):
    """The files and answers of a CPT, which transformers does not have."""
    parts = cpt.make()
    folder.mkdir(exist_ok=True)
    cpt.write(folder, *parts)
    ids, _, source_mask = inputs()
    arrays, mask = feed("cpt")
    found = cpt.answers(parts, ids, source_mask, arrays[1])
    np.savez_compressed(folder / "expected.npz", mask=mask, ids=ids, decoder_ids=arrays[1], **found)


def main(*names):
    if not names:
        found = {key: digests(convert(key)) for key in CONVERTED}
        (ROOT / "converted.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    for name in names or [*ENCODERS, *GENERATIVE, "cpt", "uie"]:
        folder = ROOT / name
        if name == "uie":
            write_uie()
            continue
        if name == "cpt":
            write_cpt(folder)
            continue
        model = make(name)
        model.save_pretrained(str(folder))
        (folder / "generation_config.json").unlink(missing_ok=True)
        arrays, mask = feed(name)
        named = dict(zip(("ids", "decoder_ids" if name in TWO_HALVES else "segments"), arrays))
        np.savez_compressed(folder / "expected.npz", mask=mask, **named, **answers(model))
        print(name, json.loads((folder / "config.json").read_text())["model_type"])


if __name__ == "__main__":
    main(*sys.argv[1:])
