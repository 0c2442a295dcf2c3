"""Small masked language models of transformers with random weights and with tokenizers of the kinds that they have.

Needs transformers 5 and torch. `python -m huggingface.tasks.mask_fillers` in `tests` prints the largest difference
of each.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

from huggingface.tasks.unigrams import unigram_tokenizer

WORDS = "the cat sleeps a dog runs in park ##s ##ing 今 天 气 很 好 我 们 how do i bake bread , . ! ?".split()
LINES = ["the cat sleeps in the park.", "a dog runs, the dog bakes bread!", "今天天气很好", "how do i bake bread?"]
TEXTS = [
    "the cat MASK in the park.",
    "MASK 天天MASK很好",
    "A dog runs, the MASK bakes MASK!",
    "how do I MASKs bread?",
    "MASK",
    "the cat sleeps, " * 2 + "the dog MASK",
]
BODY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
BODY.update(max_position_embeddings=64)
DISTILBERT = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": 64}
MODERNBERT = dict(BODY, global_attn_every_n_layers=2, local_attention=8)
DEBERTA = dict(BODY, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, share_att_key=True)
DEBERTA.update(norm_rel_ebd="layer_norm", position_biased_input=False)
# name -> (class, config, tokenizer)
MODELS = {
    "bert": ("BertForMaskedLM", BODY, "wordpiece"),
    "distilbert": ("DistilBertForMaskedLM", DISTILBERT, "wordpiece"),
    "electra": ("ElectraForMaskedLM", dict(BODY, embedding_size=16), "wordpiece"),
    "mpnet": ("MPNetForMaskedLM", BODY, "wordpiece"),
    "roberta": ("RobertaForMaskedLM", BODY, "bpe"),
    "modernbert": ("ModernBertForMaskedLM", MODERNBERT, "bpe"),
    "xlm_roberta": ("XLMRobertaForMaskedLM", BODY, "unigram"),
    "albert": ("AlbertForMaskedLM", dict(BODY, embedding_size=16), "unigram"),
    "deberta_v3": ("DebertaV2ForMaskedLM", DEBERTA, "unigram"),
}
SPECIALS = {
    "wordpiece": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "bpe": {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"},
    "unigram": {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"},
}


def tokenizer_of(kind):
    """A tokenizer of the `tokenizers` package."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    specials = list(SPECIALS[kind].values())
    if kind == "wordpiece":
        vocab = {token: i for i, token in enumerate([*specials, *WORDS])}
        it = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        it.normalizer, it.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        it.decoder = decoders.WordPiece()
    elif kind == "bpe":
        it = Tokenizer(models.BPE())
        it.pre_tokenizer, it.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=specials[:-1], initial_alphabet=alphabet)
        it.train_from_iterator(LINES, trainer)
    else:
        it = unigram_tokenizer(LINES, specials[:-1], "<unk>", 90)
    it.add_special_tokens([AddedToken(specials[-1], lstrip=kind != "wordpiece", normalized=False)])
    first, last = SPECIALS[kind]["cls"], SPECIALS[kind]["sep"]
    around = [(first, it.token_to_id(first)), (last, it.token_to_id(last))]
    pair = f"{first} $A {last} $B:1 {last}:1"
    it.post_processor = processors.TemplateProcessing(f"{first} $A {last}", pair, around)
    return it


def make(name, folder):
    """Write a model with its tokenizer into a folder, and return the pipeline of transformers."""
    import torch
    import transformers

    cls, sizes, kind = MODELS[name]
    it = tokenizer_of(kind)
    ids = {"pad_token_id": it.token_to_id(SPECIALS[kind]["pad"])}
    ids.update({f"{key}_token_id": it.token_to_id(SPECIALS[kind]["cls"]) for key in ("bos", "eos", "cls", "sep")})
    cls = getattr(transformers, cls)
    model = cls(cls.config_class(vocab_size=it.get_vocab_size(), **sizes, **ids))
    torch.manual_seed(5)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(is_gamma + 0.3 * torch.randn_like(parameter))
    model.eval().save_pretrained(str(folder))
    named = {f"{key}_token": token for key, token in SPECIALS[kind].items()}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=it, **named)
    tokenizer.save_pretrained(str(folder))
    return transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")


def texts_of(name):
    """The texts with the mask of a model."""
    return [text.replace("MASK", SPECIALS[MODELS[name][2]]["mask"]) for text in TEXTS]


def theirs(pipeline, text, top):
    """[[(token, id, score)]], a list for each mask."""
    found = pipeline(text, top_k=top)
    found = found if isinstance(found[0], list) else [found]
    return [[(one["token_str"], one["token"], one["score"]) for one in several] for several in found]


def difference(pipeline, ours, texts, top=5):
    """The largest difference of a score; infinite if a token differs."""
    largest = 0.0
    for text, found in zip(texts, ours.predict(texts, top=top)):
        want = theirs(pipeline, text, top)
        got = [[(one.token, one.token_id) for one in several] for several in found]
        if got != [[(token, i) for token, i, _ in several] for several in want]:
            print(f"{text!r}\n    theirs {want}\n    ours {got}")
            return float("inf")
        for several, others in zip(found, want):
            largest = max([largest, *(abs(a.score - b[2]) for a, b in zip(several, others))])
    return largest


def main():
    from b4k3.tasks import FillMask

    for name in sys.argv[1:] or MODELS:
        folder = pathlib.Path(tempfile.mkdtemp())
        pipeline = make(name, folder)
        print(name, difference(pipeline, FillMask.from_folder(folder), texts_of(name)))


if __name__ == "__main__":
    main()
