"""A part of the sweep: `hatch run transformers5:sweep` runs all of it. See `sweep.py` for what a case is.

A failure names its case; `python tests/huggingface/sweep.py --only NAME --keep FOLDER` runs it alone.
"""

import pytest

from huggingface import sweep

SEED = 0
EACH = 2  # how often each architecture is tried
RANDOM = [sweep.random_case(SEED, index) for index in range(EACH * len(sweep.ARCHITECTURES))]
# Near relatives of what b4k3 knows, networks that share names of variables with it, and quite other ones.
CLASSES = """BertForPreTraining RobertaForMaskedLM XLMRobertaModel CamembertForMaskedLM ErnieForMaskedLM
DistilBertForMaskedLM AlbertForPreTraining ElectraForPreTraining ElectraForMaskedLM RoFormerForMaskedLM GPT2LMHeadModel
OpenAIGPTLMHeadModel T5ForConditionalGeneration T5EncoderModel MT5ForConditionalGeneration UMT5ForConditionalGeneration
RemBertModel RoCBertModel LayoutLMModel MobileBertModel ConvBertModel DebertaV2Model MPNetModel XLMRobertaXLModel
BertGenerationEncoder BartForConditionalGeneration LlamaForCausalLM ModernBertForMaskedLM
ModernBertDecoderForCausalLM""".split()
MODERNBERT = {f"{key}_token_id": 1 for key in ("bos", "eos", "cls", "sep", "pad")}
# Both directions, a class with heads of every architecture: (class, sizes, what the defaults do not have, edits).
BACK = {
    "bert": ("BertForPreTraining", "encoder", {"hidden_act": "relu", "type_vocab_size": 3}),
    "bert, half": ("BertForMaskedLM", "encoder", {"layer_norm_eps": 1e-5}),
    "roberta": ("RobertaForMaskedLM", "encoder", {"type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "xlm-roberta": ("XLMRobertaForMaskedLM", "encoder", {"type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "camembert": ("CamembertForMaskedLM", "encoder", {"type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "ernie": ("ErnieForMaskedLM", "encoder", {"hidden_act": "relu"}),
    "ernie, tasks": ("ErnieForPreTraining", "encoder", {"use_task_id": True}),
    "megatron-bert": ("MegatronBertForPreTraining", "encoder", {"hidden_act": "gelu_new"}),
    "mpnet": ("MPNetForMaskedLM", "encoder", {"layer_norm_eps": 1e-5}),
    "distilbert": ("DistilBertForMaskedLM", "distilbert", {"max_position_embeddings": 40}),
    "modernbert": ("ModernBertForMaskedLM", "encoder", dict(MODERNBERT, global_attn_every_n_layers=2)),
    "modernbert, untied": (
        "ModernBertForMaskedLM",
        "encoder",
        dict(MODERNBERT, tie_word_embeddings=False, norm_bias=True, attention_bias=True, classifier_bias=True),
    ),
    "deberta-v2": ("DebertaV2ForMaskedLM", "deberta", {"conv_kernel_size": 3, "conv_act": "gelu_new"}),
    "deberta-v3": (
        "DebertaV2ForMaskedLM",
        "deberta",
        {"legacy": False, "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False},
    ),
    "albert": ("AlbertForPreTraining", "encoder", {"embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2}),
    "albert, one size": ("AlbertForMaskedLM", "encoder", {"embedding_size": 24}),
    "electra": ("ElectraForPreTraining", "encoder", {"embedding_size": 16}),
    "electra, generator": ("ElectraForMaskedLM", "encoder", {"embedding_size": 16}),
    "electra, one size": ("ElectraForPreTraining", "encoder", {"embedding_size": 24, "hidden_act": "relu"}),
    "roformer": ("RoFormerForMaskedLM", "encoder", {"embedding_size": 16}),
    "gpt2": ("GPT2LMHeadModel", "gpt", {"n_inner": 40, "activation_function": "relu"}),
    "openai-gpt": ("OpenAIGPTLMHeadModel", "gpt", {}),
    "bart": ("BartForConditionalGeneration", "bart", {"scale_embedding": True, "forced_bos_token_id": 3}),
    "bart, untied": (
        "BartForConditionalGeneration",
        "bart",
        {"activation_function": "relu", "tie_word_embeddings": False, "pad_token_id": 0},
    ),
    "t5": ("T5ForConditionalGeneration", "t5", {}),
    "t5, gated": ("T5ForConditionalGeneration", "t5", {"feed_forward_proj": "gated-gelu"}),
    "t5, untied": (
        "T5ForConditionalGeneration",
        "t5",
        {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        [["duplicate_head", True], ["set_key", "tie_word_embeddings", False]],
    ),
    "mt5": ("MT5ForConditionalGeneration", "t5", {}),
    "xlnet": ("XLNetLMHeadModel", "xlnet", {"ff_activation": "gelu_new", "clamp_len": 5}),
    "xlnet, untied": (
        "XLNetLMHeadModel",
        "xlnet",
        {"tie_word_embeddings": False},
        [["duplicate_head", True], ["set_key", "tie_word_embeddings", False]],
    ),
    "umt5": ("UMT5ForConditionalGeneration", "t5", {}),
}


def check(outcome, case):
    """An outcome that is no failure, and that compares something."""
    assert not outcome.failed, f"{outcome.kind} {outcome.text} {outcome.back or ''}\n{case}"
    assert outcome.kind in ("equal", "refused", "no reference", "not made")
    assert outcome.kind != "equal" or outcome.compared


@pytest.fixture(scope="module")
def classes():
    return {case.class_name: case for case in sweep.class_cases()[0]}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_right_or_refused(name, classes):
    outcome = sweep.run(classes[name])
    assert outcome.kind != "not made", outcome.text
    check(outcome, classes[name])


@pytest.mark.parametrize("case", RANDOM, ids=[f"{case.name}:{case.class_name}" for case in RANDOM])
def test_a_random_configuration_is_right_or_refused(case):
    check(sweep.run(case), case)


@pytest.mark.parametrize("key", list(BACK))
def test_what_is_written_back_is_right(key):
    """Converted to Google's names and back: transformers finds every weight, `verify` says that it is the same."""
    name, sizes, extra, *edits = BACK[key]
    config, store = dict(sweep.PLAIN[sizes], **extra), "float16" if "half" in key else "float32"
    case = sweep.Case("back:" + key, name, config, store, None, *edits)
    outcome = sweep.run(case, both_directions=True)
    check(outcome, case)
    assert (outcome.kind, outcome.back) == ("equal", "equal"), f"{outcome}\n{case}"


def test_a_case_is_the_same_again():
    assert sweep.random_case(3, 11) == sweep.random_case(3, 11) != sweep.random_case(4, 11)
    assert sweep.case_named("random:3:11") == sweep.random_case(3, 11)


def test_every_activation_of_transformers_is_tried():
    from transformers.activations import ACT2FN

    assert sorted(sweep.ACTIVATIONS) == sorted(ACT2FN)


def test_no_text_class_is_left_out(classes):
    """Every architecture that b4k3 knows is there, and what cannot be made is counted as such, not dropped."""
    for prefix, heads, _ in sweep.ARCHITECTURES.values():
        assert {prefix + suffix for suffix in heads} <= set(classes) | {prefix + "EncoderModel", prefix + "ForCausalLM"}
    assert len(classes) > 600
