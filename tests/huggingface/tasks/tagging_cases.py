"""Folders of transformers with heads for tags and answers, and what its pipelines say.

    python tests/huggingface/tasks/tagging_cases.py    # every case, strategy and option, one line each

Needs torch and transformers; version 4 for the answers, because version 5 has no pipeline for questions.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from huggingface.tasks.unigrams import unigram_tokenizer  # noqa: E402

TEXTS = [
    "Angela Merkel visited the Eiffel Tower in Paris.",
    "王芳在上海的东风公司工作。",
    "unaffable cats sleep, dogs   run!",
    "",
    "a",
    "Zürich and São Paulo — 北京 too",
    "the cat sleeps in the park and the dog runs in the street " * 4,
]
QUESTIONS = [("who visited", TEXTS[0]), ("谁在上海", TEXTS[1]), ("where", TEXTS[6]), ("what sleeps", TEXTS[2])]
WORDS = """the cat sleep ##s a dog run in park ##ing street and vis ##ited ang ##ela mer ##kel par ##is un ##aff ##able
who what where too , . ! 王 芳 在 上 海 的 东 风 公 司 工 作 。 谁 北 京 z ##ur ##ich tower""".split()
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 42,
}
DISTILBERT = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 42}
DEBERTA = {"type_vocab_size": 0, "position_biased_input": False, "relative_attention": True, "pos_att_type": ["c2p"]}
BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
# name -> (beginning of the class, configuration, kind of tokenizer, labels)
CASES = {
    "bert": ("Bert", SIZES, "wordpiece", BIO),
    "bert without marks": ("Bert", SIZES, "wordpiece", ["O", "NOUN", "VERB", "X-Y"]),
    "albert": ("Albert", dict(SIZES, embedding_size=8), "unigram", BIO),
    "electra": ("Electra", dict(SIZES, embedding_size=8), "wordpiece", BIO),
    "distilbert": ("DistilBert", DISTILBERT, "wordpiece", BIO),
    "roberta": ("Roberta", dict(SIZES, type_vocab_size=1), "bytes", BIO),
    "xlm_roberta": ("XLMRoberta", dict(SIZES, type_vocab_size=1), "unigram", BIO),
    "deberta_v2": ("DebertaV2", dict(SIZES, **DEBERTA), "unigram", BIO),
    "mpnet": ("MPNet", SIZES, "wordpiece", BIO),
}
MAXLEN = 36
STRATEGIES = ("simple", "first", "average", "max")


def make_tokenizer(kind, has_types):
    """A fast tokenizer with few tokens: padding has the id 1, as networks of the family of RoBERTa want it."""
    import transformers

    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    if kind == "wordpiece":
        letters = [prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")]
        vocab = {token: i for i, token in enumerate(special + list(dict.fromkeys(WORDS + letters)))}
        tokenizer = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
    elif kind == "bytes":
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(TEXTS, trainer)
    else:
        tokenizer = unigram_tokenizer(TEXTS, special, "[UNK]", 120)
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1" if has_types else "[CLS] $A [SEP] $B [SEP]"
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, ids)
    names = dict(zip(("unk_token", "pad_token", "cls_token", "sep_token", "mask_token"), special))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.model_max_length = MAXLEN
    return fast


def write(name, task, folder):
    """Write a folder of transformers; return its model and its tokenizer."""
    import torch
    import transformers

    prefix, sizes, kind, labels = CASES[name]
    has_types = sizes.get("type_vocab_size", 2) > 1 and prefix not in ("DistilBert", "MPNet")
    tokenizer = make_tokenizer(kind, has_types)
    if not has_types:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    cls = getattr(transformers, f"{prefix}For{task}")
    said = {"id2label": dict(enumerate(labels))} if task == "TokenClassification" else {}
    model = cls(cls.config_class(**dict(sizes, vocab_size=len(tokenizer), pad_token_id=1, **said))).eval()
    torch.manual_seed(len(name))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            is_gamma = parameter.ndim == 1 and key.endswith("weight")
            parameter.copy_(1 + 0.3 * noise if is_gamma else 0.3 * noise)
            if key.endswith("embeddings.word_embeddings.weight"):
                parameter[1] = 0
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return model, tokenizer


def tagged(model, tokenizer, texts, **options):
    """The spans of the pipeline: lists of (start, end, label, score)."""
    from transformers import pipeline

    found = pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu")(texts, **options)
    return [[(s["start"], s["end"], s["entity_group"], float(s["score"])) for s in row] for row in found]


def compare_tags(name, folder, options=({},)):
    """The largest difference of the scores of spans; everything else must be equal."""
    from b4k3.tasks import TokenTagger

    model, tokenizer = write(name, "TokenClassification", folder)
    tagger = TokenTagger.from_folder(folder)
    worst, count = 0.0, 0
    for own in options:
        theirs = dict(own)
        if "aggregation" in theirs:
            theirs["aggregation_strategy"] = theirs.pop("aggregation")
        ours = dict(own, windows="merge" if "stride" in own else "cut")
        want = tagged(model, tokenizer, TEXTS, **dict({"aggregation_strategy": "simple"}, **theirs))
        got = tagger.predict(TEXTS, batch_size=3, **ours)
        for a, b, text in zip(got, want, TEXTS):
            assert [span[:3] for span in a] == [span[:3] for span in b], (name, own, text, a, b)
            assert all(span.text == text[span.start : span.end] for span in a)
            worst = max([worst] + [abs(x.score - y[3]) for x, y in zip(a, b)])
            count += len(a)
    return worst, count


def compare_answers(name, folder):
    """The largest difference of the scores of answers, and how many were compared; everything else must be equal.

    Needs transformers 4: version 5 has no pipeline for questions.
    """
    import transformers

    from b4k3.tasks import QuestionAnswering

    model, tokenizer = write(name, "QuestionAnswering", folder)
    ours = QuestionAnswering.from_folder(folder)
    worst, count = 0.0, 0
    pipeline = transformers.pipeline("question-answering", model=model, tokenizer=tokenizer, device="cpu")
    for question, text in QUESTIONS:
        for stride, longest in ((None, 15), (6, 4)):
            got = ours.answer(question, text, top=3, max_answer_len=longest, no_answer=True, stride=stride)
            best = ours.answer(question, text, max_answer_len=longest, stride=stride)
            options = {"max_answer_len": longest, "doc_stride": stride}
            found = pipeline(question=question, context=text, **options, top_k=3, handle_impossible_answer=True)
            first = pipeline(question=question, context=text, **options)
            for span, want in zip([*got, best], [*found, first]):
                same = (span.start, span.end, span.text) == (want["start"], want["end"], want["answer"])
                assert same, (question, stride, span, want, got, found)
                worst, count = max(worst, abs(span.score - want["score"])), count + 1
    return worst, count


def main():
    every = [{"aggregation": how} for how in STRATEGIES] + [{"aggregation": how, "stride": 8} for how in STRATEGIES]
    for name in CASES:
        worst, count = compare_tags(name, tempfile.mkdtemp(), every)
        print(f"{name:20} {count:4} spans equal, scores differ by {worst:.1e} at most")


if __name__ == "__main__":
    main()
