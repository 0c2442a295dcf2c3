"""A tiny CPT with random weights, put together from the classes of transformers as its authors' code does it.

Their `modeling_cpt.py` (https://github.com/fastnlp/CPT, commit 64a287f) needs transformers 4.4.1. It makes a
`BertModel` without a pooler and a decoder that is BART's, and hands the hidden states after the shared blocks to the
decoder.
"""

from __future__ import annotations

import json
import pathlib

CONFIG = {
    "activation_function": "gelu",
    "add_final_layer_norm": False,
    "architectures": ["CPTForConditionalGeneration"],
    "d_model": 24,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_start_token_id": 5,
    "encoder_attention_heads": 3,
    "encoder_ffn_dim": 32,
    "encoder_layers": 3,
    "forced_eos_token_id": 5,
    "is_encoder_decoder": True,
    "max_position_embeddings": 20,
    "model_type": "bart",
    "normalize_before": False,
    "normalize_embedding": True,
    "pad_token_id": 0,
    "scale_embedding": False,
    "vocab_size": 60,
}


def make():
    """(the encoder, the decoder, the bias of the output), with weights large enough for errors to show."""
    import torch
    from transformers import BartConfig, BertConfig, BertModel
    from transformers.models.bart.modeling_bart import BartDecoder

    sizes = {key: value for key, value in CONFIG.items() if "token_id" in key or not isinstance(value, (str, list))}
    bert = BertConfig(
        vocab_size=CONFIG["vocab_size"],
        hidden_size=CONFIG["d_model"],
        num_hidden_layers=CONFIG["encoder_layers"],
        num_attention_heads=CONFIG["encoder_attention_heads"],
        intermediate_size=CONFIG["encoder_ffn_dim"],
        max_position_embeddings=CONFIG["max_position_embeddings"],
    )
    encoder, decoder = BertModel(bert, add_pooling_layer=False).eval(), BartDecoder(BartConfig(**sizes)).eval()
    decoder.embed_tokens.weight = encoder.embeddings.word_embeddings.weight
    torch.manual_seed(3)
    with torch.no_grad():
        for key, parameter in [*encoder.named_parameters(), *decoder.named_parameters()]:
            noise = torch.randn_like(parameter)
            parameter.copy_((1 if parameter.ndim == 1 and key.endswith("weight") else 0) + 0.3 * noise)
    return encoder, decoder, torch.randn(1, CONFIG["vocab_size"])


def write(folder, encoder, decoder, bias):
    """The files of a CPT, which has the token embeddings under three names."""
    from safetensors.torch import save_file

    tensors = {"final_logits_bias": bias, "model.shared.weight": decoder.embed_tokens.weight}
    for part, model in (("encoder", encoder), ("decoder", decoder)):
        tensors.update({f"model.{part}.{name}": tensor for name, tensor in model.state_dict().items()})
    tensors = {name: x.detach().clone() for name, x in tensors.items() if not name.endswith("_ids")}
    save_file(tensors, str(pathlib.Path(folder, "model.safetensors")), metadata={"format": "pt"})
    pathlib.Path(folder, "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")


def answers(parts, ids, mask, decoder_ids, segment=1):
    """{output: array}: logits `lm` of the decoder and `mlm` of the last block of the encoder."""
    import torch

    encoder, decoder, bias = parts
    ids, mask, decoder_ids = (torch.from_numpy(x) for x in (ids, mask, decoder_ids))
    with torch.no_grad():
        states = encoder(
            ids, attention_mask=mask, token_type_ids=torch.full_like(ids, segment), output_hidden_states=True
        ).hidden_states
        context = states[-CONFIG["decoder_layers"] - 1]
        hidden = decoder(decoder_ids, encoder_hidden_states=context, encoder_attention_mask=mask).last_hidden_state
        table = decoder.embed_tokens.weight
        found = {"lm": hidden @ table.T + bias, "mlm": states[-1] @ table.T + bias}
    return {name: x.numpy() for name, x in found.items()}
