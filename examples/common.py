"""What the examples share: their arguments, a tiny model, and a small world to write Chinese sentences about.

Every example takes

    --quick            a few steps only, 10 seconds or so; it still checks what it learned
    --model FOLDER     a real checkpoint: its folder with config, vocab.txt and weights, as the authors published it
    --data FILE        real data: UTF-8, one sample on a line, its fields separated by tabs

and without the last two builds a model of random weights with data that is generated. An example whose result is not
what it should be ends with exit status 1.
"""

from __future__ import annotations

import argparse
import os
import random
import sys

import numpy as np

# ---------------------------------------------------------------------------------------------------------- arguments


class Options:
    """What the command line says.

    Attributes:
        quick: bool.
        config_path, checkpoint_path: for `build_transformer_model`.
        dict_path: for `Tokenizer`.
        data: path or None.
        maxlen: one length for the texts of all batches: JAX compiles a model anew for each shape that it meets.
    """

    def __init__(self, description, arguments=None):
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--quick", action="store_true", help="a few steps only")
        parser.add_argument("--model", metavar="FOLDER", help="a real checkpoint, instead of a tiny random model")
        parser.add_argument("--data", metavar="FILE", help="real data, a sample on a line, instead of generated data")
        given = parser.parse_args(arguments)
        self.quick, self.data, self.real = given.quick, given.data, given.model is not None
        self.config_path, self.checkpoint_path, self.dict_path = TINY_CONFIG, None, VOCABULARY
        self.maxlen = 128 if self.real or self.data else 32
        if self.real:
            self.config_path, self.dict_path = given.model, os.path.join(given.model, "vocab.txt")
        seed(2026)

    def samples(self, generate, quick, full):
        """Samples for training and for testing, two lists of tuples of str.

        Arguments:
            generate: function that makes a random sample.
            quick, full: how many samples are generated for training.
        """
        if self.data is None:
            samples = [generate() for _ in range(self.choose(quick, full) + 64)]
        else:
            with open(self.data, encoding="utf-8") as f:
                samples = [tuple(line.rstrip("\n").split("\t")) for line in f if line.strip()]
            random.shuffle(samples)
        tested = min(64, len(samples) // 5)
        return samples[tested:], samples[:tested]

    def choose(self, quick, full):
        """The first with --quick, else the second."""
        return quick if self.quick else full

    def rate(self, tiny=1e-3, real=2e-5):
        """A learning rate: random weights want a larger one than pretrained weights."""
        return real if self.real else tiny


def seed(number):
    """The same random numbers in every run."""
    from b4k3.backend import keras

    random.seed(number)
    np.random.seed(number)
    if hasattr(keras.utils, "set_random_seed"):
        keras.utils.set_random_seed(number)


def check(what, value, above=None, below=None):
    """Print a figure; leave with exit status 1 if it is not what it should be."""
    good = (above is None or value > above) and (below is None or value < below)
    bound = "above %g" % above if above is not None else "below %g" % below
    print("%s: %.3g, expected %s" % (what, value, bound))
    if not good:
        sys.exit("%s is wrong" % what)


def f1(found, true):
    """The F1 score of sets.

    Arguments:
        found, true: lists of sets, one for each sample.
    """
    right = sum(len(f & t) for f, t in zip(found, true))
    return 2.0 * right / max(1, sum(map(len, found)) + sum(map(len, true)))


def check_training(history, ratio):
    """Check that the mean loss of the last epoch is below a ratio of that of the first."""
    losses = history.history["loss"]
    check("loss at the end, of that at the start", losses[-1] / losses[0], below=ratio)


# -------------------------------------------------------------------------------------------------------- small world

CITIES = "北京 上海 广州 成都 西安 武汉".split()
COMPANIES = "东风公司 长江公司 明珠大学 金桥医院 星光酒店 远航学校".split()
SURNAMES, GIVEN_NAMES = "王李张刘陈杨赵黄", "伟芳娜敏静强磊洋"
PLACES = "餐厅 酒店 书店 公园 商场".split()
ASPECTS = "服务 环境 价格 位置".split()
GOOD = "很热情 很干净 很实惠 很方便 非常好".split()
BAD = "很冷淡 很脏乱 太昂贵 太偏僻 非常差".split()
PRAISE, BLAME = "我很满意。 下次还来。 值得推荐。".split(), "我很失望。 再也不来。 不值得去。".split()
# topic -> what is said about it
TOPICS = {
    "暴雨": ["下了一整天大雨，街道积水很深", "大雨下个不停，许多航班取消了"],
    "球赛": ["举行足球比赛，主队赢得冠军", "球迷来到体育场，观看足球决赛"],
    "地铁": ["新线路开通，乘客出行更方便了", "第三条轨道线路今天迎来首批乘客"],
    "画展": ["美术馆展出油画，观众排起长队", "许多油画作品在美术馆和观众见面"],
}
DAYS = "昨天 今天 周末".split()


def review():
    """(text, '1' for praise or '0' for blame)."""
    good = random.random() < 0.5
    opinion, end = (GOOD, PRAISE) if good else (BAD, BLAME)
    text = "这家%s的%s%s，" % (random.choice(PLACES), random.choice(ASPECTS), random.choice(opinion))
    return text + random.choice(end), str(int(good))


def news():
    """(text, title): what happened where."""
    city, topic = random.choice(CITIES), random.choice(sorted(TOPICS))
    return "%s%s%s。" % (random.choice(DAYS), city, random.choice(TOPICS[topic])), city + topic


def same_news():
    """(text, another text about the same)."""
    text, title = news()
    while True:
        other, other_title = news()
        if other_title == title and other != text:
            return text, other


def employment():
    """(text, person, company, city): who works where."""
    person = random.choice(SURNAMES) + "".join(random.sample(GIVEN_NAMES, random.randint(1, 2)))
    company, city = random.choice(COMPANIES), random.choice(CITIES)
    form = random.choice(["%(person)s在%(city)s的%(company)s工作。", "位于%(city)s的%(company)s聘请了%(person)s。"])
    return form % {"person": person, "company": company, "city": city}, person, company, city


def entities():
    """(text, "start:end:kind" for each name in it, the end being its last character)."""
    text, person, company, city = employment()
    spans = ((text.index(name), name, kind) for name, kind in ((person, "PER"), (company, "ORG"), (city, "LOC")))
    return (text,) + tuple("%d:%d:%s" % (start, start + len(name) - 1, kind) for start, name, kind in spans)


def parse_entities(spans):
    """["0:1:PER", …] -> [(0, 1, "PER"), …]"""
    return [(int(start), int(end), kind) for start, end, kind in (span.split(":") for span in spans)]


EXTRA_TEXT = "这家的在工作位于聘请了谁哪里单红绿蓝黄色圆方三角形条是一个，。？"
SPECIAL_TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()


def vocabulary():
    """{token: id} of the special tokens and of every character of the small world."""
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
