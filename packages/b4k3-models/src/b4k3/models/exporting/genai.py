"""The file by which onnxruntime-genai runs the ONNX file of a decoder.

It asks `genai_config.json` for the sizes of the caches, for the names of inputs and outputs and for the tokens that end
a text. It feeds ids, mask, positions and caches, so that a network with segments has no such file.

Reference: https://onnxruntime.ai/docs/genai/reference/config.html
"""

from __future__ import annotations

from typing import Any, Sequence

from .decoders import DecoderGraph

GENAI = "genai_config.json"
FED = ("input_ids", "attention_mask", "position_ids")


def genai_config(transformer: Any, end_ids: Sequence[int] = (), filename: str = "model.onnx") -> dict[str, Any] | None:
    """Describe the file of a decoder for onnxruntime-genai.

    Arguments:
        transformer: `Transformer`. A decoder without an encoder, which was written for 'onnx'.
        end_ids: list of int. The ids that end a text.
        filename: str. The name of the file.

    Returns:
        dict, the content of genai_config.json. None for a network that onnxruntime-genai cannot feed: it has segments,
        or its layers have caches of different sizes.

    Example:
        >>> from b4k3.models import GPT2
        >>> gpt2 = GPT2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32, hidden_act="gelu_tanh")
        >>> gpt2.build()
        >>> genai_config(gpt2)["model"]["decoder"]["num_key_value_heads"]
        2
    """
    graph = DecoderGraph(transformer)
    sizes = set(graph.caches)
    fed = [port.name for port in graph.inputs if not port.name.startswith("past_key_values")]
    if len(sizes) > 1 or graph.caches[0].key_size != graph.caches[0].value_size or not set(fed) <= set(FED):
        return None
    heads, size, _ = graph.caches[0]
    longest = graph.network.position_limit or 2048
    pairs = {"past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"}
    decoder = {
        "session_options": {"provider_options": []},
        "filename": filename,
        "head_size": size,
        "hidden_size": transformer.hidden_size,
        "num_attention_heads": transformer.num_attention_heads,
        "num_hidden_layers": len(graph.caches),
        "num_key_value_heads": heads,
        "inputs": dict({name: name for name in fed}, **pairs),
        "outputs": {
            "logits": "logits",
            "present_key_names": "present.%d.key",
            "present_value_names": "present.%d.value",
        },
    }
    pad = max(transformer.pad_token_id or 0, 0)
    ends = list(end_ids) or [pad]
    model = {
        "type": "decoder",
        "vocab_size": transformer.vocab_size,
        "context_length": longest,
        "eos_token_id": ends if len(ends) > 1 else ends[0],
        "pad_token_id": pad,
        "decoder": decoder,
    }
    return {"model": model, "search": {"max_length": longest, "past_present_share_buffer": False}}
