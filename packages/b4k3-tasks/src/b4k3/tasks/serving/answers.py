"""The endpoints whose answer is one JSON object. API.md says what is in it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from .fields import Fields, refuse
from .refusals import Refusal
from .state import State

ATTENTION_TOKENS = 512  # the answer has the square of it


async def embeddings(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/v1/embeddings`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, or the server has no such task.
    """
    state.check_model(fields.take("model", str, None))
    task = state.task("encode").task
    texts = fields.texts("input")
    encoding = fields.choice("encoding_format", "float", "float", "base64")
    dimensions = fields.take("dimensions", int, task.size)
    prompt_name, truncate = fields.take("prompt_name", str, None), fields.take("truncate", bool, False)
    fields.take("user", str, None)
    fields.finish()
    if dimensions != task.size:
        refuse("dimensions", dimensions, f"{task.size}, the only size that the model has")
    vectors, tokens = await state.vectors(texts, truncate, prompt_name)
    data = [
        {"object": "embedding", "index": i, "embedding": _encoded(vector, encoding)} for i, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": state.name, "data": data, "usage": usage}


def _encoded(vector: Any, encoding: str | None) -> Any:
    """Return a vector as numbers, or as the base64 of its little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
    return vector.tolist()


async def similarity(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/similarity`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, or the server has no such task.
    """
    from ..sentence_modules import SIMILARITIES
    from ..similarities import similarity_matrix

    state.check_model(fields.take("model", str, None))
    task = state.task("encode").task
    texts, others = fields.texts("input"), fields.texts("others", ())
    metric = fields.choice("metric", task.modules.similarity, *SIMILARITIES) or "cosine"
    truncate = fields.take("truncate", bool, False)
    fields.finish()
    vectors, _ = await state.vectors(texts + others, truncate)
    first, second = np.stack(vectors[: len(texts)]), np.stack(vectors[len(texts) :] or vectors)
    return {"model": state.name, "metric": metric, "similarities": similarity_matrix(first, second, metric).tolist()}


async def classify(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/classify`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, or the server has no such task.
    """
    state.check_model(fields.take("model", str, None))
    texts, truncate = fields.texts_or_pairs("input"), fields.take("truncate", bool, False)
    fields.finish()
    return {"model": state.name, "results": await state.answers("classify", texts, truncate)}


async def tag(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/tag`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, or the server has no such task.
    """
    state.check_model(fields.take("model", str, None))
    texts, truncate = fields.texts("input"), fields.take("truncate", bool, False)
    fields.finish()
    return {"model": state.name, "results": await state.answers("tag", texts, truncate, "cut" if truncate else "merge")}


async def fill_mask(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/fill-mask`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, a text has no mask token, or the server has no such task.
    """
    state.check_model(fields.take("model", str, None))
    mask = state.task("fill-mask").task.mask_token
    texts, top = fields.texts("input"), fields.number("top", int, 5, 1, 100)
    fields.finish()
    for i, text in enumerate(texts):
        if mask not in text:
            raise Refusal(400, f"text {i} has no {mask}", "no_mask", "input")
    return {"model": state.name, "results": await state.answers("fill-mask", texts, False, top)}


async def attention(state: State, fields: Fields) -> dict[str, Any]:
    """Answer `/attention`.

    Arguments:
        state: `State`.
        fields: `Fields`.

    Returns:
        dict.

    Raises:
        Refusal: a field is wrong, or the weights of this network cannot be asked for.
    """
    state.check_model(fields.take("model", str, None))
    text = fields.take("input", str)
    layer, head = fields.number("layer", int, 0), fields.number("head", int, 0)
    fields.finish()
    sizes = state.model()["attention"]
    if sizes is None:
        raise Refusal(404, "the attention weights of this network are not implemented", "task_not_served")
    for name, value, count in (("layer", layer, sizes["layers"]), ("head", head, sizes["heads"])):
        if value >= count:
            refuse(name, value, f"0 to {count - 1}")
    if len(text) > 10 * ATTENTION_TOKENS:
        raise Refusal(400, "the text is too long for a picture", "context_length_exceeded", "input")
    tokens, weights = await state.attention(text, layer)
    if len(tokens) > ATTENTION_TOKENS:
        message = f"the text has {len(tokens)} tokens, at most {ATTENTION_TOKENS} are taken here"
        raise Refusal(400, message, "context_length_exceeded", "input")
    task = next(iter(state.tasks.values())).task
    offsets = task.tokenizer.encode_batch([text], maxlen=None, padding=False).offsets[0]
    rows = np.round(np.asarray(weights[head], dtype="float64"), 6).tolist()
    answer = {"model": state.name, "tokens": tokens, "offsets": [list(pair) for pair in offsets]}
    return dict(answer, layer=layer, head=head, **sizes, weights=rows)
