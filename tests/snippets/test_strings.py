import pytest

from b4k3 import snippets
from b4k3.snippets import (
    convert_to_str,
    convert_to_unicode,
    lowercase_and_normalize,
    string_matching,
    strQ2B,
    text_segmentate,
)


def test_full_width_to_half_width():
    assert strQ2B("ＡＢＣ，　１２３！～汉。") == "ABC, 123!~汉。"
    for code in range(0x21, 0x7F):
        assert strQ2B(chr(code + 0xFEE0)) == chr(code)


def test_matching():
    assert string_matching("浙江省杭州市", ["上海", "杭.市"])
    assert not string_matching("浙江省", ["上海", "杭.市"]) and not string_matching("浙江省", [])


@pytest.mark.parametrize("convert", [convert_to_unicode, convert_to_str])
def test_bytes_become_str(convert):
    assert convert("é") == "é" and convert("é".encode()) == "é" and convert(b"a\xff") == "a" and convert(3) == 3
    assert convert("汉".encode("gbk"), "gbk") == "汉"


def test_lower_case_without_accents():
    assert lowercase_and_normalize("ÉCOLE Ångström 汉") == "ecole angstrom 汉"


@pytest.mark.parametrize(
    "text, maxlen, seps, strips, wanted",
    [
        ("short", 10, "\n", None, ["short"]),
        ("", 10, "\n", None, [""]),
        ("aaa\nbbb\nccc", 8, "\n", None, ["aaa\nbbb", "ccc"]),
        ("aaa\nbbb\nccc", 3, "\n", None, ["aaa", "bbb", "ccc"]),
        ("一二。三四。五六。", 6, "\n。", None, ["一二。三四。", "五六。"]),
        ("一二。三四，五六七八。", 6, "。，", "。，", ["一二", "三四", "五六七八"]),
        ("no separator here", 4, "。", None, ["no separator here"]),
    ],
)
def test_segmentation(text, maxlen, seps, strips, wanted):
    assert text_segmentate(text, maxlen, seps, strips) == wanted


def test_segmentation_loses_nothing_but_space_and_respects_the_length():
    text = "".join(
        c + ("。" if i % 7 == 6 else "，" if i % 3 == 2 else "") for i, c in enumerate("春眠不觉晓处处闻啼鸟" * 20)
    )
    for maxlen in (5, 9, 20, 64, 1000):
        pieces = text_segmentate(text, maxlen, "\n。，")
        assert "".join(pieces) == text and max(map(len, pieces)) <= maxlen


def test_names_of_python_2():
    assert snippets.is_py2 is False and snippets.basestring is str and snippets.uniout is None
    assert snippets.is_string("a") and not snippets.is_string(b"a")
