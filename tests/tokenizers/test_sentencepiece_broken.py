"""Broken and hostile `.model` files: only SentencePieceError comes out, and it says what is wrong."""

import math
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from b4k3.tokenizers import SentencePieceError, SentencePieceModel
from b4k3.tokenizers._spm import MAX_FILE_SIZE, encode_piece
from support.sentencepiece_models import (
    BPE,
    BYTE,
    BYTES,
    CHILD,
    CONTROL,
    GOOD,
    NORMAL,
    SPECIALS,
    UNIGRAM,
    UNKNOWN,
    build,
    chars,
    charsmap,
    field,
    slow_rules,
    unit,
)
from support.tokenizer_goldens import model_path

A = [("a", -1.0)]


def all_characters():
    """A charsmap of 1,000 units in which every character is a key, because the units are shared."""
    units = {0: unit(256, 0), 700: 0x80000000}
    for lead in range(0xF1, 0xF4):  # the children of the root are at 256 ^ byte; bases are index ^ offset
        units[256 ^ lead] = unit(512 ^ 256 ^ lead, lead)
    for base, after in ((512, 768), (768, 0), (0, 1023)):
        for byte in range(0x80, 0xC0):
            units[base ^ byte] = unit(after ^ base ^ byte, byte)
    units = [units.get(i, 0x80000000) for i in range(1024)]
    return struct.pack("<I", 4096) + struct.pack("<1024I", *units) + b"x\0"


def with_charsmap(blob):
    return build(A, {}, {"precompiled_charsmap": blob})


def test_the_good_charsmap_that_the_broken_ones_differ_from():
    assert SentencePieceModel.from_bytes(with_charsmap(chars(GOOD))).normalize("aba") == "\u2581xbx"
    assert slow_rules(chars(GOOD))(b"ab") == (b"x", 1)


BROKEN = {
    "empty": (b"", "no pieces"),
    "no pieces": (field(2, b""), "no pieces"),
    "cut in a piece": (build(A)[:9], "wants 14 bytes and 7 are left"),
    "cut in a number": (build(A) + b"\x0a\xff", "broken number at byte"),
    "endless number": (b"\x0a" + b"\xff" * 30, "broken number at byte 1"),
    "length past the end": (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "bytes and 0 are left"),
    "field number 0": (b"\x00\x00", "field number 0"),
    "group": (b"\x0b\x0c", "wire type 3"),
    "wire type 7": (b"\x0f", "wire type 7"),
    "text in place of a model": (b"<html>no such file</html>", "not a SentencePiece model"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "SentencePiece model"),
    "pieces is a number": (b"\x08\x01", "field 1 at byte 0 is not a message"),
    "trainer is a number": (build(A) + b"\x10\x01", "field 2 at byte .* is not a message"),
    "piece is a number": (field(1, field(1, 7)), "piece 0: piece at byte .* has wire type 0"),
    "score is a string": (field(1, field(1, "a") + field(2, "x")), "score at byte .* has wire type 2"),
    "type is a string": (field(1, field(1, "a") + field(3, "x")), "type at byte .* has wire type 2"),
    "piece is not UTF-8": (field(1, field(1, b"\xff")), "piece 0: piece at byte .* is not UTF-8"),
    "unknown surface is not UTF-8": (build(A, {"unk_surface": b"\xff"}), "unk_surface at byte .* is not UTF-8"),
    "empty piece": (build([("", -1.0)]), "piece 3 is empty"),
    "null character": (build([("a\0b", -1.0)]), "piece 3 has a null character"),
    "null piece without byte fallback": (build([("\0", -1.0)]), "piece 3 has a null character"),
    "long piece": (build([("天" * 3000, -1.0)]), "3000 characters; the limit is 8000 bytes"),
    "pieces with too many prefixes": (
        build([("a" * 7000, -1.0), ("b" * 7000, -1.0)]),
        "prefixes of its pieces have 49007000 characters; at most 33554432",
    ),
    "unknown type": (build([("a", -1.0, 9)]), "unknown type 9"),
    "score is not a number": (build([("a", math.nan)]), "has score nan"),
    "endless score": (build([("a", -math.inf)]), "has score -inf"),
    "piece twice": (build(A + A), "'a' is already piece 3"),
    "control symbol twice": (build([("c", 0.0, CONTROL)] * 2), "'c' is already piece 3"),
    "BPE: control symbol like a piece": (
        build(A + [("a", 0.0, CONTROL)], {"model_type": BPE}),
        "'a' is already piece 3",
    ),
    "no unknown piece": (build(A, specials=SPECIALS[1:]), "no piece of type unknown"),
    "two unknown pieces": (build([("u", 0.0, UNKNOWN)]), "pieces 0 and 3 are both of type unknown"),
    "byte piece without byte fallback": (build([BYTES[7]]), "byte piece 3 .*byte_fallback is off"),
    "byte piece of another name": (build([("x", 0.0, BYTE)] + BYTES, {"byte_fallback": 1}), "byte piece 3 is 'x'"),
    "byte missing": (build(BYTES[1:], {"byte_fallback": True}), "255 of 256 byte pieces"),
    "model type": (build(A, {"model_type": 9}), "unknown model type 9"),
    "word model": (build(A, {"model_type": 3}), "type 'word'; unigram and bpe are supported"),
    "charsmap of two bytes": (with_charsmap(b"ab"), "the charsmap says"),
    "charsmap: size too large": (with_charsmap(charsmap([], size=4096)), "4096 of its .* bytes are the array"),
    "charsmap: odd size": (with_charsmap(charsmap([], size=1000)), "not a multiple of 1024"),
    "charsmap: size 0": (with_charsmap(charsmap([], size=0)), "not a multiple of 1024"),
    "charsmap: child outside": (
        with_charsmap(chars({**GOOD, CHILD: unit(5000, 0x61, True)})),
        "points to unit 50.. of 256",
    ),
    "charsmap: root outside": (with_charsmap(chars({0: unit(70000, 0)})), "points to unit 70000 of 256"),
    "charsmap: value outside": (with_charsmap(chars({**GOOD, 2: 0x80000009})), "rule without a replacement"),
    "charsmap: value is no value": (with_charsmap(chars({**GOOD, 2: 5})), "rule without a replacement"),
    "charsmap: replacement is not UTF-8": (with_charsmap(chars(GOOD, b"\xff\0")), "replacement that is not UTF-8"),
    "charsmap: replacement is not closed": (with_charsmap(chars(GOOD, b"x")), "not closed by a null byte"),
    "charsmap: replacement of 100,000 characters": (
        with_charsmap(chars(GOOD, b"x" * 100000 + b"\0")),
        "longer than the 256 characters that are supported",
    ),
    "charsmap: replacement of 257 characters": (with_charsmap(chars(GOOD, b"x" * 257 + b"\0")), "of 257 characters"),
    "charsmap: a million keys in a small array": (with_charsmap(all_characters()), "262144 steps"),
    "charsmap: key is not UTF-8": (
        with_charsmap(chars({0: unit(1, 0), 1 ^ 0xC3: unit(2 ^ 1 ^ 0xC3, 0xC3), 2 ^ 0x41: unit(9, 0x41)})),
        "key that is not UTF-8",
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_fault_is_named(name, tmp_path):
    data, message = BROKEN[name]
    path = tmp_path / "broken.model"
    path.write_bytes(data)
    with pytest.raises(SentencePieceError, match=message) as e:
        SentencePieceModel(str(path))
    assert "broken.model" in str(e.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.model"):
        SentencePieceModel(str(tmp_path / "nowhere.model"))


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.model"
    with open(str(path), "wb") as f:
        f.truncate(MAX_FILE_SIZE + 1)
    tracemalloc.start()
    with pytest.raises(SentencePieceError, match="huge.model: 268435457 bytes"):
        SentencePieceModel(str(path))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_charsmap_that_leads_in_a_circle_is_read_once():
    # after "a" the array is at its beginning again: a, aa, aaa, ... are all keys
    units = {**GOOD, CHILD: unit(CHILD ^ 1, 0x61, True), 1: 0x80000000}
    model = SentencePieceModel.from_bytes(with_charsmap(chars(units)))
    assert model.normalize("a" * 32) == "\u2581x" and model.normalize("a" * 5000)


def test_a_charsmap_makes_a_text_256_times_as_long_at_most():
    model = SentencePieceModel.from_bytes(with_charsmap(chars(GOOD, b"x" * 256 + b"\0")))
    text = "a" * 5000
    tracemalloc.start()
    assert len(model.normalize(text)) == 256 * len(text) + 1
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_null_piece_that_converters_write_is_left_out():
    model = SentencePieceModel.from_bytes(build(A + [("\0", 0.0, NORMAL)] + BYTES, {"byte_fallback": True}))
    assert model.is_unused(4) and model.tokenize("\0") == ["<0xE2>", "<0x96>", "<0x81>", "<0x00>"]


def mutations(data, count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        out = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(len(out))
            how = rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 5])
            if how == 0:
                out[at] = rng.randrange(256)
            elif how == 1:
                del out[at : at + rng.choice([1, 2, 50])]
            elif how == 2:
                out[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 4])))
            elif how == 3:
                del out[at:]
            elif how == 4:  # the largest number
                out[at : at + 1] = b"\xff" * 9 + b"\x01"
            else:  # another wire type, where that is a field
                out[at] ^= rng.randrange(1, 8)
            if not out:
                break
        yield bytes(out)


SMALL = [("a", -1.0), ("ab", -2.0), ("\u2581", -3.0), ("b", -2.0)]


@pytest.mark.parametrize(
    "data, count",
    [
        (build(SMALL, {"model_type": UNIGRAM}, {"precompiled_charsmap": chars(GOOD)}), 600),
        (build(SMALL + BYTES, {"model_type": BPE, "byte_fallback": True}), 200),
        (Path(model_path("identity_nodummy")).read_bytes(), 40),
        (Path(model_path("albert_like")).read_bytes(), 12),
    ],
    ids=["unigram", "bpe", "golden", "golden charsmap"],
)
def test_mutations_work_or_say_what_is_wrong(data, count):
    refused = 0
    for k, mutant in enumerate(mutations(data, count, seed=len(data))):
        try:
            model = SentencePieceModel.from_bytes(mutant)
            model.decode(model.encode("a ab é\u0301天 x"))
            model.encode_with_offsets("ab\u0301 天")
        except SentencePieceError as e:
            assert str(e).startswith("<bytes>"), k
            refused += 1
    assert 0 < refused < count


def test_parsing_needs_memory_in_proportion_to_the_file():
    data = b"".join(
        encode_piece("<unk>" if not i else f"p{i}", -1.0, UNKNOWN if not i else NORMAL) for i in range(20000)
    )
    tracemalloc.start()
    SentencePieceModel.from_bytes(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * len(data)
