"""The examples share this module: their arguments, a tiny model, and a small world to write Chinese sentences about.

Every example takes these options:

    --quick            a few steps only, which take about 10 seconds; the example still checks what it learned
    --model FOLDER     a real checkpoint: its folder with config, vocab.txt and weights, as the authors published it
    --data FILE        real data: UTF-8, one sample on a line, its fields separated by tabs

Without --model an example builds a tiny model with random weights, and without --data it generates its data. It ends
with exit status 1 if its result is not good enough.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

import numpy as np

if TYPE_CHECKING:
    from b4k3.backend import keras

# ---------------------------------------------------------------------------------------------------------- arguments


class Options:
    """Read the command line.

    Arguments:
        description: str, or None. The text of --help; the examples give their `__doc__`.
        arguments: list of str, or None. The words of the command line; None takes them from `sys.argv`.

    Attributes:
        quick: bool. Whether --quick is given.
        real: bool. Whether --model is given.
        config_path: dict or str. The config, for `build_transformer_model`.
        checkpoint_path: None. `build_transformer_model` finds the weights in the folder, or makes random ones.
        dict_path: dict or str. The vocabulary, for `Tokenizer`.
        data: str, or None. The file of --data.
        maxlen: int. One length for the texts of all batches, because JAX compiles a model anew for each shape.
    """

    def __init__(self, description: str | None, arguments: Sequence[str] | None = None) -> None:
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--quick", action="store_true", help="a few steps only")
        parser.add_argument("--model", metavar="FOLDER", help="a real checkpoint, instead of a tiny random model")
        parser.add_argument("--data", metavar="FILE", help="real data, a sample on a line, instead of generated data")
        given = parser.parse_args(arguments)
        self.quick: bool = given.quick
        self.real: bool = given.model is not None
        self.data: str | None = given.data
        self.config_path: dict[str, Any] | str = TINY_CONFIG
        self.checkpoint_path = None
        self.dict_path: dict[str, int] | str = VOCABULARY
        self.maxlen = 128 if self.real or self.data else 32
        if self.real:
            self.config_path, self.dict_path = given.model, os.path.join(given.model, "vocab.txt")
        seed(2026)

    def samples(
        self, generate: Callable[[], tuple[str, ...]], quick: int, full: int
    ) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """Return samples for training and for testing: from the file of --data, or else generated ones.

        Arguments:
            generate: function without arguments. It makes a random sample.
            quick: int. The number of samples that are generated for training with --quick.
            full: int. The number of samples without --quick.

        Returns:
            Two lists of tuples of str: the samples for training, and at most 64 samples for testing.
        """
        if self.data is None:
            samples = [generate() for _ in range(self.choose(quick, full) + 64)]
        else:
            with open(self.data, encoding="utf-8") as f:
                samples = [tuple(line.rstrip("\n").split("\t")) for line in f if line.strip()]
            random.shuffle(samples)
        tested = min(64, len(samples) // 5)
        return samples[tested:], samples[:tested]

    def choose(self, quick: int, full: int) -> int:
        """Return the first argument with --quick, and the second without it."""
        return quick if self.quick else full

    def rate(self, tiny: float = 1e-3, real: float = 2e-5) -> float:
        """Return a learning rate; random weights need a larger one than pretrained weights."""
        return real if self.real else tiny


def seed(number: int) -> None:
    """Seed all generators, so that every run draws the same random numbers."""
    from b4k3.backend import keras

    random.seed(number)
    np.random.seed(number)
    if hasattr(keras.utils, "set_random_seed"):
        keras.utils.set_random_seed(number)


def check(what: str, value: float | np.floating, above: float | None = None, below: float | None = None) -> None:
    """Print a figure, and exit with status 1 if it is not above or below a bound."""
    good = (above is None or value > above) and (below is None or value < below)
    bound = f"above {above:g}" if above is not None else f"below {below:g}"
    print(f"{what}: {value:.3g}, expected {bound}")
    if not good:
        sys.exit(f"{what} is wrong")


def f1(found: Sequence[set[Any]], true: Sequence[set[Any]]) -> float:
    """Compute the F1 score of sets.

    Arguments:
        found: list of sets. What was found in each sample.
        true: list of sets. What is in each sample.
    """
    right = sum(len(f & t) for f, t in zip(found, true))
    return 2.0 * right / max(1, sum(map(len, found)) + sum(map(len, true)))


def check_training(history: keras.callbacks.History, ratio: float) -> None:
    """Check that the mean loss of the last epoch, divided by the mean loss of the first epoch, is below a ratio."""
    losses = history.history["loss"]
    check("last loss / first loss", losses[-1] / losses[0], below=ratio)


# -------------------------------------------------------------------------------------------------------- small world

CITIES = "北京 上海 广州 成都 西安 武汉".split()
COMPANIES = "东风公司 长江公司 明珠大学 金桥医院 星光酒店 远航学校".split()
SURNAMES, GIVEN_NAMES = "王李张刘陈杨赵黄", "伟芳娜敏静强磊洋"
PLACES = "餐厅 酒店 书店 公园 商场".split()
ASPECTS = "服务 环境 价格 位置".split()
GOOD = "很热情 很干净 很实惠 很方便 非常好".split()
BAD = "很冷淡 很脏乱 太昂贵 太偏僻 非常差".split()
PRAISE, BLAME = "我很满意。 下次还来。 值得推荐。".split(), "我很失望。 再也不来。 不值得去。".split()
# topic -> sentences about it
TOPICS = {
    "暴雨": ["下了一整天大雨，街道积水很深", "大雨下个不停，许多航班取消了"],
    "球赛": ["举行足球比赛，主队赢得冠军", "球迷来到体育场，观看足球决赛"],
    "地铁": ["新线路开通，乘客出行更方便了", "第三条轨道线路今天迎来首批乘客"],
    "画展": ["美术馆展出油画，观众排起长队", "许多油画作品在美术馆和观众见面"],
}
DAYS = "昨天 今天 周末".split()


def review() -> tuple[str, str]:
    """Write a review: (text, '1' for praise or '0' for blame)."""
    good = random.random() < 0.5
    opinion, end = (GOOD, PRAISE) if good else (BAD, BLAME)
    text = f"这家{random.choice(PLACES)}的{random.choice(ASPECTS)}{random.choice(opinion)}，"
    return text + random.choice(end), str(int(good))


def news() -> tuple[str, str]:
    """Write about an event in a city: (text, title)."""
    city, topic = random.choice(CITIES), random.choice(sorted(TOPICS))
    return f"{random.choice(DAYS)}{city}{random.choice(TOPICS[topic])}。", city + topic


def same_news() -> tuple[str, str]:
    """Write two texts about the same event: (text, another text)."""
    text, title = news()
    while True:
        other, other_title = news()
        if other_title == title and other != text:
            return text, other


def employment() -> tuple[str, str, str, str]:
    """Write where somebody works: (text, person, company, city)."""
    person = random.choice(SURNAMES) + "".join(random.sample(GIVEN_NAMES, random.randint(1, 2)))
    company, city = random.choice(COMPANIES), random.choice(CITIES)
    text = random.choice([f"{person}在{city}的{company}工作。", f"位于{city}的{company}聘请了{person}。"])
    return text, person, company, city


def entities() -> tuple[str, ...]:
    """Write where somebody works: (text, "start:end:kind" for each name); the end is the last character."""
    text, person, company, city = employment()
    spans = ((text.index(name), name, kind) for name, kind in ((person, "PER"), (company, "ORG"), (city, "LOC")))
    return (text,) + tuple(f"{start}:{start + len(name) - 1}:{kind}" for start, name, kind in spans)


def parse_entities(spans: Iterable[str]) -> list[tuple[int, int, str]]:
    """Make [(0, 1, "PER"), …] of ["0:1:PER", …]."""
    return [(int(start), int(end), kind) for start, end, kind in (span.split(":") for span in spans)]


EXTRA_TEXT = "这家的在工作位于聘请了谁哪里单红绿蓝黄色圆方三角形条是一个，。？"
SPECIAL_TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()


def vocabulary() -> dict[str, int]:
    """Make a vocabulary {token: id} of the special tokens and of every character of the small world."""
    words = CITIES + COMPANIES + PLACES + ASPECTS + GOOD + BAD + PRAISE + BLAME + DAYS + sum(TOPICS.values(), [])
    characters = set("".join(words + list(TOPICS)) + SURNAMES + GIVEN_NAMES + EXTRA_TEXT)
    return {token: i for i, token in enumerate(SPECIAL_TOKENS + sorted(characters))}


VOCABULARY = vocabulary()
TINY_CONFIG = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "hidden_act": "gelu",
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
}
