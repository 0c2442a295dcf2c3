"""A small vocabulary that the tokenizer tests share."""

import pytest

WORDS = """[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e i o s t u ab abc abcd the un able aff hello world token
##a ##b ##c ##d ##e ##i ##o ##s ##t ##u ##ab ##bc ##able ##aff ##ly ##ing ##s## 1 2 3 ##1 ##2 ##3 19 ##84
中 国 人 民 我 你 ##中 ##国 鹿 龜 A B AB Hello é ##é e\u0301 σ ς ##σ ##ς ασ ας
, . ! ? - ' " ( ) [ ] # : ; ， 。 ！ ？ “ ” … ᄀ ##ᅡ ##ᆨ ß ss ı İ i\u0307 straße""".split()


@pytest.fixture
def vocab():
    return {word: i for i, word in enumerate(dict.fromkeys(WORDS))}
