"""Exported decoders and encoder-decoders: 32 tokens and the logits after the prompts are the ones of `generate`.

`hatch run export:test` takes two networks, `hatch run export:all` every golden one. With KERAS_BACKEND=jax a process on
PyTorch writes the files.
"""

import os

import numpy as np
import pytest

from b4k3.backend import ops, row
from b4k3.models import ConfigError, build_transformer_model, export
from b4k3.models.exporting.decoders import generates
from b4k3.models.generation.engine import start_of
from b4k3.models.generation.network import Network
from support import goldens, pages
from support.exported_decoders import OnnxRuntime, OpenVINO, decoder_tokens, encoder_decoder_tokens, padded
from support.exported_networks import with_lora
from support.small_models import SMALL, spread

FOLDERS = "bart cpt gpt2 llama mistral mt5 openai_gpt qwen2 qwen3 smollm3 t5 umt5".split()
SHORT = ["mistral", "t5_1_1/logits"]
COUNT, LENGTHS = 32, (5, 3, 4)


def networks():
    """{name: function that builds it}."""
    found = {}
    for case in goldens.cases():
        if "generate" in case:
            found[f"{case['system']}/{case['case']}"] = lambda case=case: goldens.build(case)
    for name in FOLDERS:
        found[name] = lambda name=name: build_transformer_model(
            str(goldens.ROOT / "huggingface" / name), return_keras_model=False
        )
    return found


NETWORKS = networks()
CHOSEN = SHORT if os.environ.get("B4K3_EXPORT") != "all" else sorted(NETWORKS)
FORMATS = {"onnx": OnnxRuntime, "openvino": OpenVINO}
if row.backend != "torch":  # the other process makes both from the same graph
    del FORMATS["openvino"]


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def prompts_of(transformer):
    generator = np.random.RandomState(0)
    return [generator.randint(5, transformer.vocab_size, size=n) for n in LENGTHS]


def generated(transformer, prompts, count):
    """The tokens by `generate`, without the tokens that a config forces, and the logits after the prompts."""
    decoder, pad = getattr(transformer, "_decoder", transformer), transformer.pad_token_id
    decoder.forced_bos_token_id = decoder.forced_eos_token_id = None
    ids = np.full((len(prompts), max(LENGTHS)), pad)
    for i, prompt in enumerate(prompts):
        ids[i, : len(prompt)] = prompt
    tokens = transformer.generate(ids, max_new_tokens=count)
    network, context = Network(transformer), ()
    as_tensor = lambda x: ops.convert_to_tensor(np.asarray(x, "int32"))  # noqa: E731
    lengths = np.array(LENGTHS)
    if network.encoder is not None:
        context = network.encode(as_tensor(ids))
        ids, lengths = np.full((len(prompts), 1), start_of(decoder)), lengths * 0 + 1
    logits = network.prefill(as_tensor(ids), as_tensor(ids * 0), as_tensor(lengths), 1, *context)[0]
    return tokens, ops.convert_to_numpy(logits)


@pytest.mark.parametrize("name", CHOSEN)
def test_tokens_of_generate(name, tmp_path, record_property):
    transformer = NETWORKS[name]()
    prompts, limit = prompts_of(transformer), Network(transformer).position_limit or 1000
    two_halves = hasattr(transformer, "_decoder")
    count = min(COUNT, limit + 1 - (1 if two_halves else max(LENGTHS)))
    want, logits = generated(transformer, prompts, count)
    for format, engine in FORMATS.items():
        folder = str(tmp_path / format)
        transformer.export(folder, format)
        pad = transformer.pad_token_id
        if two_halves:
            start = start_of(transformer._decoder)
            found = [encoder_decoder_tokens(folder, prompts, count, start, engine, pad)]
        else:
            segment = getattr(transformer, "generated_segment", 0)
            found = [decoder_tokens(folder, prompts, count, left, engine, pad, segment) for left in (True, False)]
        for tokens, first in found:
            np.testing.assert_array_equal(tokens, want, err_msg=format)
            difference = np.abs(first - logits).max() / max(1.0, np.abs(logits).max())
            assert difference <= 1e-4, (format, difference)
            record_property(format, float(difference))


def test_lora_is_merged(tmp_path):
    transformer = with_lora(NETWORKS["llama"]())
    prompts = prompts_of(transformer)
    want, logits = generated(transformer, prompts, COUNT)
    transformer.export(str(tmp_path))
    tokens, first = decoder_tokens(str(tmp_path), prompts, COUNT, True, OnnxRuntime, transformer.pad_token_id)
    np.testing.assert_array_equal(tokens, want)
    np.testing.assert_allclose(first, logits, atol=1e-4 * max(1.0, np.abs(logits).max()))


def test_the_loop_of_the_page(tmp_path):
    """Both pages have the same loop, and it does what `generate` does."""
    names = {}
    loops = [
        block.code
        for path in (pages.ROOT / "docs" / "export.md", pages.ROOT / "docs" / "export.zh-CN.md")
        for block in pages.blocks(path)
        if "def greedy" in block.code
    ]
    assert len(loops) == 2 and loops[0] == loops[1]
    exec(loops[0], names)  # the code of the page
    transformer = NETWORKS["llama"]()
    prompts = prompts_of(transformer)
    want = generated(transformer, prompts, COUNT)[0]
    path = transformer.export(str(tmp_path / "model.onnx"))
    ids, mask = padded(prompts, True, transformer.pad_token_id)
    np.testing.assert_array_equal(names["greedy"](path, ids, mask, COUNT), want)


def test_what_the_other_process_needs(tmp_path):
    """keep_tokens and a prefix survive; a function that has no name does not, and the error says which."""
    config = dict(SMALL, model="bert", application="lm", keep_tokens=[0, *range(5, 18)], prefix="a-")
    transformer = spread(build_transformer_model(return_keras_model=False, **config))
    from b4k3.models.exporting.decoders import DecoderGraph

    graph = DecoderGraph(transformer)
    graph.save(str(tmp_path))
    again = DecoderGraph.load(str(tmp_path)).transformer
    np.testing.assert_array_equal(again.generate([[3, 4, 5]], 6), transformer.generate([[3, 4, 5]], 6))
    transformer.arguments["hidden_act"] = np.tanh
    with pytest.raises(ConfigError, match="hidden_act: ufunc"):
        graph.save(str(tmp_path))


def test_what_is_written_with_its_caches(tmp_path):
    sizes = dict(SMALL, return_keras_model=False)
    gpt2, bert = (build_transformer_model(model=name, **sizes) for name in ("gpt2", "bert"))
    assert generates(gpt2) and not generates(gpt2.model) and not generates(bert)
    del sizes["max_position"]
    t5, half, headless = (
        build_transformer_model(model=name, **sizes, **more)
        for name, more in (("t5", {}), ("t5_decoder", {}), ("t5", {"with_lm": False}))
    )
    assert generates(t5) and not generates(half) and not generates(headless)
    with pytest.raises(ConfigError, match="name a folder"):
        export(t5, str(tmp_path / "model.onnx"))
