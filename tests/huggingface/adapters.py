"""Adapters of Hugging Face PEFT for the models of `references.py`, with random matrices, and what the models answer.

Needs peft and a transformers that it goes with: `hatch run transformers5:adapters` writes `tests/golden/adapters/`
anew, so that the other environments can compare without PEFT.
"""

from __future__ import annotations

import pathlib
import shutil
import sys

import numpy as np

from huggingface import references

ROOT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "adapters"
# name of a model -> arguments of LoraConfig, and targets of b4k3
ADAPTERS = {
    "bert": (
        {
            "target_modules": ["query", "value", "output.dense"],
            "use_rslora": True,
            "rank_pattern": {"value": 2},
            "alpha_pattern": {"attention.self.value": 7},
        },
        ("query", "value", "MultiHeadSelfAttention/output", "Embedding-Token"),
    ),
    "albert": (
        {"target_modules": ["query", "ffn_output", "embedding_hidden_mapping_in", "predictions.dense"]},
        ("query", "FeedForward/output", "Embedding-Mapping", "Embedding-Token"),
    ),
    "electra": (
        {"target_modules": ["dense", "word_embeddings"]},
        ("output", "Discriminator-Dense", "Embedding-Token"),
    ),
    "roberta": ({"target_modules": ["key", "lm_head.dense"]}, ("key", "MLM-Dense", "Embedding-Token")),
    "gpt2": ({"target_modules": ["c_attn", "c_fc"]}, ("query", "value", "FeedForward/output", "Embedding-Token")),
    "mt5": ({"target_modules": ["EncDecAttention.k", "wi_1", "lm_head"]}, ("intermediate_1", "Decoder-Output-LM")),
}
GOLDEN = ("bert", "gpt2")
OUTPUTS = ("nsp", "mlm", "discriminator", "lm")


def base(name):
    """The model of transformers for which an adapter is."""
    import transformers

    cls = (references.ENCODERS.get(name) or references.GENERATIVE[name])[0]
    return getattr(transformers, cls).from_pretrained(str(references.ROOT / name)).eval()


def make(name):
    """A model of PEFT with an adapter whose matrices are random, as if it had been trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(len(name))
    arguments = dict({"r": 3, "lora_alpha": 5}, **ADAPTERS[name][0])
    model = get_peft_model(base(name), LoraConfig(init_lora_weights=False, **arguments))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.2 * torch.randn_like(parameter))
    return model.eval()


def answers(name, model):
    """What the model with its adapter answers: the outputs that b4k3 has too."""
    found = references.answers(model.get_base_model())
    return {key: found[key] for key in OUTPUTS if key in found}


def main(*names):
    for name in names or GOLDEN:
        folder, model = ROOT / name, make(name)
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(str(folder))
        (folder / "README.md").unlink()
        np.savez_compressed(folder / "expected.npz", **answers(name, model))
        print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
