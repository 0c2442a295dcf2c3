"""Random configurations of Llama and the decoders that share its blocks, for `sweep.py`."""

from __future__ import annotations

LLAMAS = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "mistral": "Mistral", "smollm3": "SmolLM3"}
TRAINED = {"factor": 4.0, "original_max_position_embeddings": 16}


def rope_of(r, length):
    """The rotary positions, as transformers 5 writes them."""
    rope = {"rope_theta": r.choice([50.0, 10000.0, 500000.0, 1000000])}
    kind = r.choice(["default", "default", "linear", "dynamic", "llama3", "yarn"])
    if kind in ("linear", "dynamic"):
        rope["factor"] = r.choice([2.0, 3.5])
    if kind == "llama3":
        rope.update(TRAINED, low_freq_factor=1.0, high_freq_factor=r.choice([4.0, 8]))
    if kind == "yarn":
        rope.update(TRAINED, original_max_position_embeddings=r.choice([8, 16, length]))
        for key, values in (
            ("attention_factor", [0.7, 1.0]),
            ("beta_fast", [16, 4.0]),
            ("beta_slow", [0.5, 2]),
            ("truncate", [False]),
        ):
            if r.random() < 0.3:
                rope[key] = r.choice(values)
        if r.random() < 0.3:
            rope.update(mscale=0.8, mscale_all_dim=1.2)
    return dict(rope, rope_type=kind)


def sizes_of(r, arch):
    """Random sizes, and what else the numbers depend on, as arguments of the configuration."""
    groups, of_group, layers = r.choice([1, 2, 3]), r.choice([1, 2, 4]), r.choice([1, 2, 3, 5])
    heads = groups * of_group
    config = {
        "vocab_size": r.choice([60, 97]),
        "hidden_size": heads * r.choice([4, 8]),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": r.choice([20, 40]),
        "max_position_embeddings": r.choice([12, 32, 64]),
        "rms_norm_eps": r.choice([1e-6, 1e-5, 1e-3]),
        "hidden_act": r.choice(["silu", "silu", "gelu", "relu"]),
        "tie_word_embeddings": r.random() < 0.5,
    }
    config["rope_parameters"] = rope_of(r, config["max_position_embeddings"])
    if arch in ("llama", "qwen3", "mistral") and (arch == "qwen3" or r.random() < 0.4):
        config["head_dim"] = r.choice([4, 6, 10])
    if arch in ("llama", "qwen3", "smollm3") and r.random() < 0.3:
        config["attention_bias"] = True
    if arch in ("llama", "smollm3") and r.random() < 0.3:
        config["mlp_bias"] = True
    if arch == "mistral":
        config["sliding_window"] = r.choice([None, 1, 3, 5, 100])
    if arch in ("qwen2", "qwen3", "smollm3") and r.random() < 0.6:
        config.update(use_sliding_window=True, sliding_window=r.choice([1, 3, 5, 100]))
        if arch != "smollm3":
            config["max_window_layers"] = r.choice([0, 1, layers])
        if r.random() < 0.3:
            config["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    if arch == "smollm3":
        config["pad_token_id"] = r.choice([0, 1, None])  # the default is beyond a tiny vocabulary
        config["no_rope_layer_interval"] = r.choice([1, 2, 4])
        if r.random() < 0.3:
            config["no_rope_layers"] = [r.choice([0, 1]) for _ in range(layers)]
    return config
