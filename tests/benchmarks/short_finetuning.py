"""Fine-tune in four lines what five examples fine-tune in long, on the same data, and print the same figures.

    python tests/benchmarks/short_finetuning.py            # the data of --quick
    python tests/benchmarks/short_finetuning.py --full

Beside it run `python examples/NAME.py --quick` with the names sentence_classification, ner_crf, ner_global_pointer,
reading_comprehension and title_generation_unilm, or all of them without --quick.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
import common

from b4k3.models import build_transformer_model
from b4k3.tasks import QuestionAnswering, SpanExtractor, TextClassifier, TextGenerator, TokenTagger

KINDS = ["PER", "LOC", "ORG"]


def folder():
    """The tiny model of the examples, with the weights that its seed gives."""
    path = pathlib.Path(tempfile.mkdtemp())
    bert = build_transformer_model(common.TINY_CONFIG, with_mlm=True, return_keras_model=False)
    bert.save_weights_as_checkpoint(str(path / "bert_model.ckpt"))
    (path / "bert_config.json").write_text(json.dumps(common.TINY_CONFIG), encoding="utf-8")
    (path / "vocab.txt").write_text("\n".join(common.VOCABULARY) + "\n", encoding="utf-8")
    return str(path)


def reviews(full):
    """Train on reviews; return how many of 64 are told to be praise or blame."""
    common.seed(2026)
    samples = [common.review() for _ in range((4096 if full else 256) + 64)]
    texts, labels = map(list, zip(*samples))
    model = TextClassifier.from_folder(folder(), labels=["0", "1"])
    model.fit(texts[64:], labels[64:], batch_size=16, epochs=4 if full else 2, learning_rate=1e-3, verbose=0)
    return sum(a == b for a, b in zip(model.predict(texts[:64]), labels)) / 64


def titles(full):
    """Train on news with titles; return how many of 64 titles are right."""
    common.seed(2026)
    samples = [common.news() for _ in range((8192 if full else 1024) + 64)]
    texts, wanted = map(list, zip(*samples))
    model = TextGenerator.from_folder(folder(), application="unilm")
    model.fit(texts[64:], wanted[64:], batch_size=32, epochs=8 if full else 3, learning_rate=3e-3, verbose=0)
    found = model.predict(texts[:64], max_new_tokens=8)
    return sum(a == b for a, b in zip(found, wanted)) / 64


def names(full, cls, quick, **arguments):
    """Train on names of people, places and organisations; return the F1 score as the examples compute it."""
    common.seed(2026)
    samples = [common.entities() for _ in range((4096 if full else quick) + 64)]
    texts = [text for text, *_ in samples]
    spans = [[(a, b + 1, kind) for a, b, kind in common.parse_entities(row)] for _, *row in samples]
    tested = 64 if full else 16
    path = folder()
    model = cls.from_folder(path, labels=KINDS, **arguments)
    model.fit(texts[64:], spans[64:], epochs=4 if full else 2, learning_rate=3e-3, verbose=0)
    found = model.predict(texts[:tested])
    return common.f1([{span[:3] for span in row} for row in found], [set(row) for row in spans[:tested]])


def questions(full):
    """Train on questions; return how many of the answers are right."""
    import random

    common.seed(2026)
    pairs, answers = [], []
    for _ in range((8192 if full else 1536) + 64):
        text, person, company, city = common.employment()
        asked = [(f"谁在{company}工作？", person), (f"{person}在哪里工作？", company), (f"{company}在哪里？", city)]
        question, answer = random.choice(asked)
        pairs.append((question, text))
        answers.append((text.index(answer), text.index(answer) + len(answer)))
    tested = 64 if full else 24
    path = folder()
    model = QuestionAnswering.from_folder(path, new_head=True)
    model.fit(pairs[64:], answers[64:], epochs=4 if full else 1, learning_rate=3e-3, verbose=0)
    found = model.predict(pairs[:tested])
    return sum(span[:2] == answer for span, answer in zip(found, answers)) / tested


def main(arguments):
    full = "--full" in arguments
    print(f"reviews    accuracy {reviews(full):.3f}", flush=True)
    print(f"titles     accuracy {titles(full):.3f}", flush=True)
    print(f"softmax          F1 {names(full, TokenTagger, 768):.3f}", flush=True)
    print(f"CRF              F1 {names(full, TokenTagger, 768, crf=True, crf_lr_multiplier=1):.3f}", flush=True)
    print(f"GlobalPointer    F1 {names(full, SpanExtractor, 1024, head_size=16):.3f}", flush=True)
    print(f"answers    accuracy {questions(full):.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
