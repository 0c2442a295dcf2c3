"""The golden folders of Hugging Face transformers, and the heads that they have."""

from support import goldens

ROOT = goldens.ROOT / "huggingface"
# name -> (model=, heads, outputs in the order of the model's)
HEADS = {
    "bert": ("bert", {"with_nsp": True, "with_mlm": "linear"}, ["nsp", "mlm"]),
    "albert": ("albert", {"with_nsp": True, "with_mlm": "linear"}, ["nsp", "mlm"]),
    "electra": ("electra", {"with_discriminator": "linear"}, ["discriminator"]),
    "electra_generator": ("electra_generator", {"with_mlm": "linear"}, ["mlm"]),
    "roformer": ("roformer", {"with_mlm": "linear"}, ["mlm"]),
    "nezha": ("nezha", {"with_nsp": True, "with_mlm": "linear"}, ["nsp", "mlm"]),
    "roberta": ("roberta", {"with_mlm": "linear"}, ["mlm"]),
    "xlm_roberta": ("roberta", {"with_mlm": "linear"}, ["mlm"]),
    "camembert": ("roberta", {"with_mlm": "linear"}, ["mlm"]),
    "ernie": ("ernie", {"with_nsp": True, "with_mlm": "linear"}, ["nsp", "mlm"]),
    "distilbert": ("distilbert", {"with_mlm": "linear"}, ["mlm"]),
    "modernbert": ("modernbert", {"with_mlm": "linear"}, ["mlm"]),
    "deberta_v2": ("deberta_v2", {"with_mlm": "linear"}, ["mlm"]),
    "deberta_v3": ("deberta_v2", {"with_mlm": "linear"}, ["mlm"]),
    "megatron_bert": ("megatron_bert", {"with_nsp": True, "with_mlm": "linear"}, ["nsp", "mlm"]),
    "mpnet": ("mpnet", {"with_mlm": "linear"}, ["mlm"]),
    "xlnet": ("xlnet", {"with_lm": "linear"}, ["lm"]),
    "gpt2": ("gpt2", {"final_activation": "linear"}, ["lm"]),
    "openai_gpt": ("gpt", {"final_activation": "linear"}, ["lm"]),
    "bart": ("bart", {"with_lm": "linear"}, ["lm"]),
    "cpt": ("cpt", {"with_lm": "linear"}, ["lm"]),
    **{name: (name, {"with_lm": "linear"}, ["lm"]) for name in ("llama", "qwen2", "qwen3", "mistral", "smollm3")},
    "t5": ("t5.1.0", {"with_lm": "linear"}, ["lm"]),
    "mt5": ("mt5.1.1", {"with_lm": "linear"}, ["lm"]),
    "umt5": ("umt5", {"with_lm": "linear"}, ["lm"]),
}
