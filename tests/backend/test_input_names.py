"""The names of inputs: which key of a mapping is which input, and what is refused."""

import pytest

from b4k3.backend import known_input, match_inputs

BERT = ["Input-Token", "Input-Segment"]
T5 = ["Encoder-Input-Token", "Decoder-Input-Token"]


@pytest.mark.parametrize(
    "names, given, keys, masks",
    [
        (BERT, "Input-Segment Input-Token", "Input-Token Input-Segment", {}),
        (BERT, "segment_ids token_ids", "token_ids segment_ids", {}),
        (BERT, "input_ids Input-Segment", "input_ids Input-Segment", {}),
        (
            BERT,
            "attention_mask input_ids token_type_ids",
            "input_ids token_type_ids",
            {"Input-Token": "attention_mask"},
        ),
        (["A-Input-Token"], "token_ids", "token_ids", {}),
        (["A-Input-Token", "B-Input-Token"], "B-Input-Token A-Input-Token", "A-Input-Token B-Input-Token", {}),
        (["token_ids", "Input-Token"], "Input-Token token_ids", "token_ids Input-Token", {}),
        (T5, "decoder_input_ids input_ids", "input_ids decoder_input_ids", {}),
        (
            T5,
            "token_ids decoder_token_ids decoder_attention_mask",
            "token_ids decoder_token_ids",
            {"Decoder-Input-Token": "decoder_attention_mask"},
        ),
        (["Input-Context", "Decoder-Input-Token"], "context decoder_token_ids", "context decoder_token_ids", {}),
    ],
)
def test_match_inputs(names, given, keys, masks):
    assert match_inputs(names, given.split(), "m") == (keys.split(), masks)


@pytest.mark.parametrize(
    "names, given, message",
    [
        (
            BERT,
            "input_ids token_type_ids labels",
            "m has no input labels: leave it out. It takes Input-Token or",
        ),
        (["Input-Token"], "input_ids token_type_ids", "m has no input token_type_ids"),
        (BERT, "input_ids attention_mask", "m: no Input-Segment or segment_ids or token_type_ids among input_ids"),
        (BERT, "", "no names at all"),
        (BERT, "input_ids token_ids segment_ids", "m: input_ids and token_ids both mean Input-Token: give one"),
        (["A-Input-Token", "B-Input-Token"], "token_ids", "m: token_ids may mean A-Input-Token or B-Input-Token"),
        (
            ["Input-Context", "Decoder-Input-Token"],
            "context decoder_input_ids attention_mask",
            "no input attention_mask",
        ),
    ],
)
def test_what_is_refused(names, given, message):
    with pytest.raises(ValueError) as error:
        match_inputs(names, given.split(), "m")
    assert message in str(error.value)


def test_the_longest_name_counts():
    assert known_input("x-Encoder-Input-Token") == "Encoder-Input-Token"
    assert known_input("Input-Label") is None
