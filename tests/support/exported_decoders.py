"""Greedy decoding by exported graphs, on onnxruntime or OpenVINO: the slow, obvious way."""

from __future__ import annotations

import os

import numpy as np


class OnnxRuntime:
    """A graph on onnxruntime, called with a dict of arrays; what it has no input for is left out."""

    suffix, before = ".onnx", ""

    def __init__(self, path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.outputs = [port.name for port in self.session.get_outputs()]
        self.inputs = {port.name: list(port.shape) for port in self.session.get_inputs()}

    def __call__(self, feed):
        found = self.session.run(None, {name: feed[name] for name in self.inputs})
        return dict(zip(self.outputs, found))


class OpenVINO:
    """The same on OpenVINO."""

    suffix, before = ".xml", "openvino_"

    def __init__(self, path):
        import openvino

        self.compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.outputs = [port.any_name for port in self.compiled.outputs]
        shapes = {port.any_name: port.partial_shape for port in self.compiled.inputs}
        self.inputs = {
            name: [size.get_length() if size.is_static else None for size in shape] for name, shape in shapes.items()
        }

    def __call__(self, feed):
        found = self.compiled({name: feed[name] for name in self.inputs})
        return {name: np.array(found[name]) for name in self.outputs}


def opened(folder, name, engine):
    return engine(os.path.join(folder, engine.before + name + engine.suffix))


def padded(prompts, left, pad):
    """Ids and attention mask of prompts of different lengths."""
    n = max(map(len, prompts))
    ids, mask = np.full((len(prompts), n), max(pad, 0), "int64"), np.zeros((len(prompts), n), "int64")
    for i, prompt in enumerate(prompts):
        where = slice(n - len(prompt), n) if left else slice(0, len(prompt))
        ids[i, where], mask[i, where] = prompt, 1
    return ids, mask


def decoder_tokens(folder, prompts, count, left, engine=OnnxRuntime, pad=0, new_segment=0):
    """(tokens, [batch, count]; logits after the prompts) of a decoder."""
    run = opened(folder, "model", engine)
    ids, mask = padded(prompts, left, pad)
    rows, last = np.arange(len(ids)), [ids.shape[1] - 1 if left else len(prompt) - 1 for prompt in prompts]
    past = {k: np.zeros([len(ids), s[1], 0, s[3]], "float32") for k, s in run.inputs.items() if k.startswith("past")}
    positions, segments, tokens, first = np.maximum(mask.cumsum(1) - 1, 0), ids * 0, [], None
    for _ in range(count):
        given = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "token_type_ids": segments}
        out = run(dict(past, **given))
        logits = out["logits"][rows, last]
        first = logits if first is None else first
        tokens.append(logits.argmax(-1))
        past = {name: out[name.replace("past_key_values", "present")] for name in past}
        ids, mask = tokens[-1][:, None], np.concatenate([mask, np.ones_like(mask[:, :1])], axis=1)
        positions, segments, last = mask.cumsum(1)[:, -1:] - 1, np.full_like(ids, new_segment), -1
    return np.stack(tokens, axis=1), first


def encoder_decoder_tokens(folder, prompts, count, start, engine=OnnxRuntime, pad=0):
    """(tokens, [batch, count]; logits after the start token) of an encoder-decoder."""
    encoder, first_step, next_step = (
        opened(folder, name, engine) for name in ("encoder_model", "decoder_model", "decoder_with_past_model")
    )
    ids, mask = padded(prompts, False, pad)
    given = {"encoder_attention_mask": mask, "input_ids": np.full((len(ids), 1), start, "int64")}
    given["encoder_hidden_states"] = encoder({"input_ids": ids, "attention_mask": mask})["last_hidden_state"]
    out, tokens = first_step(given), []
    first = out["logits"][:, -1]
    for i in range(count):
        tokens.append(out["logits"][:, -1].argmax(-1))
        given.update({k.replace("present", "past_key_values"): v for k, v in out.items() if k != "logits"})
        given["input_ids"] = tokens[-1][:, None]
        if i + 1 < count:
            out = next_step(given)
    return np.stack(tokens, axis=1), first
