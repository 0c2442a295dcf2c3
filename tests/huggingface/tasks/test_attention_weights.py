"""The attention weights of each network are those that transformers gives with `output_attentions`."""

import types

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from b4k3.tasks.attention import attention_weights
from huggingface.sweep import PLAIN

ENCODER = PLAIN["encoder"]
LLAMA = dict(ENCODER, num_key_value_heads=1, num_attention_heads=2)
MODERN = dict(num_attention_heads=2, local_attention=4, global_attn_every_n_layers=2, pad_token_id=0)
# class of transformers -> its configuration
CASES = {
    "BertModel": ENCODER,
    "RobertaModel": dict(ENCODER, pad_token_id=1),
    "RoFormerModel": dict(ENCODER, rotary_value=False, num_attention_heads=2),
    "AlbertModel": dict(ENCODER, embedding_size=12),
    "ElectraModel": dict(ENCODER, embedding_size=12),
    "ErnieModel": ENCODER,
    "MegatronBertModel": ENCODER,
    "DistilBertModel": PLAIN["distilbert"],
    "MPNetModel": ENCODER,
    "ModernBertModel": dict(ENCODER, **MODERN),
    "DebertaV2Model": dict(PLAIN["deberta"], conv_kernel_size=3, norm_rel_ebd="layer_norm"),
    "T5EncoderModel": PLAIN["t5"],
    "UMT5EncoderModel": PLAIN["t5"],
    "BartModel": PLAIN["bart"],
    "GPT2LMHeadModel": PLAIN["gpt"],
    "LlamaForCausalLM": LLAMA,
    "Qwen3ForCausalLM": dict(LLAMA, head_dim=10),
}
IDS = [2, 7, 9, 31, 12, 12, 45, 8, 33, 3, 50, 3]


class Ids:
    """A tokenizer whose texts are ids."""

    def encode_batch(self, texts, maxlen, padding):
        ids = [[int(word) for word in text.split()] for text in texts]
        return types.SimpleNamespace(ids=ids, type_ids=[[0] * len(row) for row in ids], tokens=[texts[0].split()])


@pytest.mark.parametrize("name", CASES)
def test_weights(name, tmp_path):
    import torch
    import transformers

    torch.manual_seed(0)
    cls = getattr(transformers, name)
    config = cls.config_class(attn_implementation="eager", **CASES[name])
    theirs = cls(config).eval()
    with torch.no_grad():
        for p in theirs.parameters():  # larger than at the start, so that heads differ
            if p.requires_grad:  # the table of angles is no weight
                p.add_(0.2 * torch.randn_like(p))
    theirs.save_pretrained(tmp_path)
    with torch.no_grad():
        outputs = theirs(torch.tensor([IDS]), output_attentions=True)
    want = outputs.encoder_attentions if "encoder_attentions" in outputs else outputs.attentions
    network = build_transformer_model(str(tmp_path / "config.json"), str(tmp_path), return_keras_model=False)
    task = types.SimpleNamespace(transformer=network, tokenizer=Ids())
    assert len(want) >= 2
    for layer, weights in enumerate(want):
        tokens, got = attention_weights(task, " ".join(map(str, IDS)), layer)
        assert tokens == list(map(str, IDS)) and got.dtype == np.float32
        np.testing.assert_allclose(got, weights[0].numpy(), atol=1e-5)
