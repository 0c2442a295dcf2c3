"""WordPiece against its educational twin on what hypothesis thinks of."""

from b4k3.tokenizers import Tokenizer, educational


def texts():
    from hypothesis import strategies as st

    troublesome = st.sampled_from("aAbB \t.'’中，Σσς\x0b\x85\u0301\u302e\U0001d165İßé각\u200d")
    return st.lists(
        st.one_of(st.text(max_size=20), st.text(alphabet=troublesome, max_size=20)).map("".join), max_size=5
    )


def check_texts(check):
    from hypothesis import given, settings

    settings(max_examples=400, deadline=None, derandomize=True, database=None)(given(texts())(check))()


def test_ids_are_those_of_the_twin(vocab):
    tokenizers = [Tokenizer(vocab, do_lower_case=lower, token_start=None, token_end=None) for lower in (False, True)]

    def check(texts):
        for lower, tokenizer in enumerate(tokenizers):
            want = [educational.WordPiece(vocab, lower).encode(text) for text in texts]
            assert tokenizer.encode_batch(texts).ids == want
            assert [tokenizer.encode(text)[0] for text in texts] == want

    check_texts(check)


def test_offsets_are_those_of_rematch(vocab):
    tokenizers = [Tokenizer(vocab, do_lower_case=lower, token_start=None, token_end=None) for lower in (False, True)]

    def check(texts):
        for tokenizer in tokenizers:
            for text, row in zip(texts, tokenizer.encode_batch(texts).offsets):
                matched = tokenizer.rematch(text, tokenizer.tokenize(text))
                assert row == [(min(m), max(m) + 1) for m in matched]

    check_texts(check)
