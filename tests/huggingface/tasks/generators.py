"""Small generative models of transformers with random weights and tokenizers that were trained on a few sentences.

Needs transformers 5 and torch. `python -m huggingface.tasks.generators gpt2,llama 40` in `tests` compares models on 40
more prompts than the test does, and prints what differs.
"""

from __future__ import annotations

import pathlib
import random
import sys
import tempfile

from huggingface.tasks.unigrams import unigram_tokenizer

TEXTS = [
    "The cat sleeps in the park, and the dog runs home.",
    "今天天气很好，我们去公园散步。",
    "How do I bake bread without yeast?",
    "It costs 3.50 €, doesn't it? 🙂🙃",
    "she said: 'we're here', didn't she",
]
PROMPTS = ["The cat", "今天天气", "we", "How do I bake bread in the park, and why?", "it costs 3"]
SPECIALS = {
    "gpt2": ["<|endoftext|>"],
    "qwen3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama": ["<unk>", "<s>", "</s>"],
    "t5": ["<pad>", "</s>", "<unk>"],
    "umt5": ["<pad>", "</s>", "<unk>"],
    "bart": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
}
HALVES = {"d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
BODY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
BODY.update(max_position_embeddings=96)
BART = {"d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4}
BART.update(decoder_attention_heads=4, encoder_ffn_dim=40, decoder_ffn_dim=40, max_position_embeddings=96)
# name -> (class, config, {setting of generation: token})
MODELS = {
    "gpt2": ("GPT2LMHeadModel", {"n_positions": 96, "n_embd": 24, "n_layer": 2, "n_head": 4}, "<|endoftext|>"),
    "qwen3": ("Qwen3ForCausalLM", dict(BODY, num_key_value_heads=2, head_dim=8), "<|im_end|>"),
    "llama": ("LlamaForCausalLM", dict(BODY, num_key_value_heads=2), "</s>"),
    "t5": ("T5ForConditionalGeneration", HALVES, "</s>"),
    "umt5": ("UMT5ForConditionalGeneration", HALVES, "</s>"),
    "bart": ("BartForConditionalGeneration", BART, "</s>"),
}


def tokenizer_of(name):
    """A tokenizer of the `tokenizers` package of the kind that the model has."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    specials = SPECIALS[name]
    if name in ("t5", "umt5"):
        it = unigram_tokenizer(TEXTS, specials, "<unk>", 100)
        around = [("</s>", 1)]
        it.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", around)
        return it
    if name == "llama":
        it = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        it.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        it.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        letters = sorted(set("".join(TEXTS[:1])) - set(" "))
        trainer = trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=[*specials, *(f"<0x{i:02X}>" for i in range(256))],
            limit_alphabet=len(letters) + 1,
        )
        it.train_from_iterator([TEXTS[0].replace(" ", "▁")], trainer)
        it = Tokenizer.from_str(_without_special_bytes(it.to_str()))
        around = [("<s>", 1)]
        it.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=around)
        return it
    it = Tokenizer(models.BPE())
    it.pre_tokenizer, it.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    it.train_from_iterator(
        TEXTS[:3], trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=alphabet)
    )
    if name == "bart":
        it.add_special_tokens([AddedToken("<mask>", lstrip=True)])
        it.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return it


def _without_special_bytes(text):
    """The file of a tokenizer whose pieces of one byte are no special tokens."""
    import json

    said = json.loads(text)
    said["added_tokens"] = [token for token in said["added_tokens"] if not token["content"].startswith("<0x")]
    return json.dumps(said)


def make(name, folder):
    """Write a model with its tokenizer into a folder, and return both."""
    import torch
    import transformers

    it = tokenizer_of(name)
    cls, sizes, end = MODELS[name]
    ids = {"eos_token_id": it.token_to_id(end)}
    pad = {"bart": "<pad>", "t5": "<pad>", "umt5": "<pad>"}.get(name)
    ids["pad_token_id"] = None if pad is None else it.token_to_id(pad)
    if name == "bart":
        ids.update(bos_token_id=0, decoder_start_token_id=2, forced_bos_token_id=0, forced_eos_token_id=2)
    if name in ("t5", "umt5"):
        ids["decoder_start_token_id"] = 0
    cls = getattr(transformers, cls)
    model = cls(cls.config_class(vocab_size=it.get_vocab_size(), **sizes, **ids))
    torch.manual_seed(3)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(is_gamma + 0.3 * torch.randn_like(parameter))
    model.eval().save_pretrained(str(folder))
    named = {"eos_token": end, "unk_token": next((token for token in SPECIALS[name] if token == "<unk>"), end)}
    if pad is not None:
        named["pad_token"] = pad
    if name in ("llama", "bart"):
        named["bos_token"] = "<s>"
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=it, **named)
    tokenizer.save_pretrained(str(folder))
    return model, tokenizer


def answer(model, tokenizer, text, **options):
    """The text that transformers generates, after the prompt or as an answer."""
    import torch

    ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        row = model.generate(**ids, **dict({"do_sample": False, "num_beams": 1}, **options))[0].tolist()
    if model.config.is_encoder_decoder:
        return tokenizer.decode(row, skip_special_tokens=True)
    prompt = tokenizer.decode(ids["input_ids"][0], skip_special_tokens=True)
    whole = tokenizer.decode(row, skip_special_tokens=True)
    if whole.startswith(prompt):
        return whole[len(prompt) :]  # as their pipeline does
    # Bytes after bytes: the text of the prompt has changed, and the pipeline cuts it at a place without meaning.
    return tokenizer.decode(row[ids["input_ids"].shape[1] :], skip_special_tokens=True)


def differences(name, folder, prompts, **options):
    """[(prompt, theirs, ours, ours streamed)] of the prompts whose answers differ."""
    from b4k3.tasks import TextGenerator

    model, tokenizer = make(name, folder)
    ours = TextGenerator.from_folder(folder)
    beams = {"num_beams": 3, "length_penalty": 1.0, "max_new_tokens": 12}
    found = []
    for options in ({"max_new_tokens": 16}, {"max_new_tokens": 12, "min_new_tokens": 12}, beams):
        got = ours.predict(prompts, **options)
        for prompt, text in zip(prompts, got):
            want = answer(model, tokenizer, prompt, **options)
            streamed = text if "num_beams" in options else "".join(ours.stream(prompt, **options))
            if not text == want == streamed:
                found.append((prompt, want, text, streamed))
    return found


def main():
    generator = random.Random(0)
    letters = sorted(set("".join(TEXTS)))
    more = ["".join(generator.choices(letters, k=generator.randint(1, 20))) for _ in range(int(sys.argv[2]))]
    for name in sys.argv[1].split(","):
        found = differences(name, pathlib.Path(tempfile.mkdtemp()), PROMPTS + more)
        print(name, f"{len(found)} differ of {3 * len(PROMPTS + more)}")
        for entry in found[:3]:
            print(*map(repr, entry), sep="\n    ")


if __name__ == "__main__":
    main()
