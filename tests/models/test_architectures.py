"""Every option with every encoder that has it, on random weights."""

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from support import goldens
from support.harness import whole_model_suffix
from support.small_models import KINDS, SMALL, close, outputs, saved, spread

LANGUAGE_MODELS = "albert_groups distilbert ernie gau megatron_bert mpnet nezha roberta roformer roformer_v2".split()
RELATIVE = ["gau", "modernbert", "nezha", "roformer", "roformer_v2"]
IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
SEGMENTS = np.array([[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]])
MASK = IDS > 0
PADDING = {"roberta": 1, "mpnet": 1}  # of the others it is 0
NEW_KINDS = ["deberta_v2", "distilbert", "ernie", "modernbert", "mpnet", "roberta"]
WITHOUT_SEGMENTS = ["distilbert", "modernbert", "mpnet"]


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(kind, checkpoint=None, **kwargs):
    config = dict(SMALL, **dict({"model": kind}, **KINDS[kind]))
    return build_transformer_model(None, checkpoint, return_keras_model=False, **dict(config, **kwargs))


def feed(kind, ids=IDS, segments=SEGMENTS, extra=0):
    """The inputs of a kind for ids that are padded with 0, with further padding at the end."""
    ids, segments = (np.pad(x, ((0, 0), (0, extra)), "constant") for x in (ids, segments))
    if kind in WITHOUT_SEGMENTS:
        return [np.where(ids == 0, PADDING.get(kind, 0), ids)]
    segments = np.minimum(segments, KINDS[kind].get("segment_vocab_size", 2) - 1)
    return [np.where(ids == 0, PADDING.get(kind, 0), ids), segments]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_save_load_and_padding(kind, tmp_path):
    """All weights are in the mapping: a new model that loads them answers the same, also to padded input."""
    transformer = spread(build(kind))
    assert transformer.pad_token_id == PADDING.get(kind, 0)
    want = outputs(transformer, *feed(kind))[0]
    again = build(kind, saved(transformer, tmp_path))
    report = again.load_report
    assert not report.unexpected and not report.initialized and not report.missing
    close(outputs(again, *feed(kind))[0], want, 1e-6)
    close(outputs(again, *feed(kind, extra=3))[0][:, :8][MASK], want[MASK])


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_padding_amid_the_tokens(kind):
    """Each row alone, without what it is padded with, is the oracle; 0 is a token where 1 is the padding."""
    padding = 1
    transformer = spread(build(kind, pad_token_id=padding))
    ids = np.array([[2, 5, 1, 11, 0, 3], [2, 0, 8, 3, 1, 1]])
    _, segments = (feed(kind, ids, 0 * ids) + [None])[:2]
    got = outputs(transformer, *[x for x in (ids, segments) if x is not None])[0]
    for i, row in enumerate(ids[1:], 1):
        row = row[row != padding][None]
        alone = outputs(transformer, *[row, 0 * row][: len(transformer.inputs)])[0]
        close(got[i : i + 1, : row.shape[1]], alone)
    if kind == "roberta":  # which does not count the padding between two tokens
        row = ids[:1][ids[:1] != padding][None]
        close(got[:1][ids[:1] != padding][None], outputs(transformer, row, 0 * row)[0])


def test_tasks_of_ernie(tmp_path):
    """Without task ids the first row of the table is added."""
    plain = spread(build("ernie"))
    path = saved(plain, tmp_path)
    custom = build("ernie", path, custom_task_ids=True, custom_position_ids=True)
    want, positions = outputs(plain, IDS, SEGMENTS)[0], np.tile(np.arange(8), (2, 1))
    close(outputs(custom, IDS, SEGMENTS, positions, 0 * IDS)[0], want)
    got = outputs(custom, IDS, SEGMENTS, positions, 0 * IDS + np.array([[0], [2]]))[0]
    close(got[:1], want[:1])
    assert np.abs(got - want)[1].max() > 1e-2
    tensors = dict(open_checkpoint(path).items())
    table = "bert/embeddings/task_type_embeddings"
    segments = "bert/embeddings/token_type_embeddings"
    tensors[segments] = tensors[segments] + tensors.pop(table)[0]
    close(outputs(build("ernie", tensors, use_task_id=False), IDS, SEGMENTS)[0], want)


@pytest.mark.parametrize("kind", ["albert", "electra_generator", "roformer_v2"] + NEW_KINDS)
def test_keep_tokens_and_compound_tokens(kind, tmp_path):
    full = spread(build(kind, with_mlm="linear"))
    path = saved(full, tmp_path)
    keep = [0, 3, 13, 2, 7, 5, 11] + [1] * (kind in PADDING)
    kept = build(kind, path, with_mlm="linear", keep_tokens=keep, compound_tokens=[[4, 5]])
    ids, segments = np.array([[2, 5, 7, 11, 13, 3, 0]]), np.array([[0, 0, 0, 1, 1, 1, 0]])
    inputs, mask = feed(kind, ids, segments), ids > 0
    new_inputs = [np.vectorize(keep.index)(inputs[0])] + inputs[1:]
    got, want = outputs(kept, *new_inputs)[0], outputs(full, *inputs)[0]
    assert got.shape[-1] == len(keep) + 1
    close(got[..., : len(keep)][mask], want[..., keep][mask], 1e-4)
    table = open_checkpoint(path)
    table = table[next(name for name in table if name.endswith("/word_embeddings"))]
    rows = kept.layers["Embedding-Token"].get_weights()[0]
    close(rows, np.concatenate([table[keep], table[[7, 5]].mean(0, keepdims=True)]))


@pytest.mark.parametrize("kind", RELATIVE + ["albert", "electra"] + NEW_KINDS)
def test_custom_positions(kind, tmp_path):
    """Counted from 0 they change nothing; without segments too."""
    plain = spread(build(kind, segment_vocab_size=0))
    custom = build(kind, saved(plain, tmp_path), segment_vocab_size=0, custom_position_ids=True)
    positions = np.tile(np.arange(8), (2, 1))
    ids = feed(kind)[0]
    want = outputs(plain, ids)[0]
    close(outputs(custom, ids, positions)[0][MASK], want[MASK])
    moved = outputs(custom, ids, positions + 5)[0]
    if kind in RELATIVE:
        close(moved[MASK], want[MASK], 1e-4)
    else:
        assert np.abs(moved - want)[MASK].max() > 1e-2
    scattered = outputs(custom, ids, positions * np.array([[1], [2]]))[0]
    close(scattered[:1][MASK[:1]], want[:1][MASK[:1]])  # each row has positions of its own
    assert np.abs(scattered[1] - want[1]).max() > 1e-2


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_language_models_do_not_see_what_follows(kind):
    lm = spread(build(kind, application="lm", with_mlm="linear"))
    changed = IDS.copy()
    changed[:, 5:] = 14
    before, after = outputs(lm, *feed(kind))[0], outputs(lm, *feed(kind, changed))[0]
    close(after[:, :5], before[:, :5], 1e-4)
    assert np.abs(after - before)[:, 5:].max() > 1e-2
    prefix = outputs(lm, *[x[:, :5] for x in feed(kind)])[0]
    close(prefix, before[:, :5], 1e-4)


@pytest.mark.parametrize("kind", ["albert", "gau", "nezha"])
def test_unilm(kind):
    unilm = spread(build(kind, application="unilm", with_mlm="linear"))
    ids, segments = IDS[1:], np.array([[0, 0, 0, 0, 1, 1, 1, 1]])

    def changes(position):
        other = ids.copy()
        other[0, position] = 14
        difference = np.abs(outputs(unilm, other, segments)[0] - outputs(unilm, ids, segments)[0])
        return (difference.max(-1)[0] > 1e-4).tolist()

    assert changes(6) == [False] * 6 + [True] * 2
    assert changes(1) == [True] * 8


@pytest.mark.parametrize("kind", ["albert_groups", "electra", "gau", "nezha", "roformer_v2"])
def test_conditional_layer_norm(kind, tmp_path):
    """As it begins the condition has no effect; then every normalisation feels it."""
    plain = spread(build(kind))
    cond = keras.layers.Input((3,), name="Input-Condition")
    conditional = build(kind, saved(plain, tmp_path), layer_norm_cond=cond, additional_input_layers=cond)
    values = np.array([[1.0, -2.0, 0.5], [0.3, 0.2, -1.0]], "float32")
    want = outputs(plain, IDS, SEGMENTS)[0]
    close(outputs(conditional, IDS, SEGMENTS, values)[0], want)
    norms = [name for name in conditional.layers if name.endswith("-Norm")]
    assert len(norms) >= 2
    for name in norms:
        layer = conditional.layers[name]
        before = layer.get_weights()
        layer.set_weights([w + 0.5 if w.ndim == 2 else w for w in before])
        assert np.abs(outputs(conditional, IDS, SEGMENTS, values)[0] - want)[MASK].max() > 1e-3, name
        layer.set_weights(before)


@pytest.mark.parametrize("kind", ["albert", "albert_groups", "nezha", "roformer_v2"])
def test_residual_attention_scores(kind, tmp_path):
    """RealFormer: the first block is as before, the second one sees the scores of the first."""
    plain = spread(build(kind))
    path = saved(plain, tmp_path)
    residual = build(kind, path, residual_attention_scores=True)
    assert np.abs(outputs(residual, IDS, SEGMENTS)[0] - outputs(plain, IDS, SEGMENTS)[0])[MASK].max() > 1e-3
    longer = [np.pad(x, ((0, 0), (0, 3)), "constant") for x in (IDS, SEGMENTS)]
    close(outputs(residual, *longer)[0][:, :8][MASK], outputs(residual, IDS, SEGMENTS)[0][MASK])
    lm = spread(build(kind, application="lm", with_mlm="linear", residual_attention_scores=True))
    changed = IDS.copy()
    changed[:, 5:] = 14
    close(outputs(lm, changed, SEGMENTS)[0][:, :5], outputs(lm, IDS, SEGMENTS)[0][:, :5], 1e-4)


@pytest.mark.parametrize("kind", ["albert_groups", "electra", "gau"] + NEW_KINDS)
def test_prefix_and_shared_layers(kind, tmp_path):
    plain = spread(build(kind))
    want = outputs(plain, *feed(kind))[0]
    named = build(kind, saved(plain, tmp_path), prefix="My-")
    assert all(name.startswith("My-") for name in named.layers)
    close(outputs(named, *feed(kind))[0], want)
    shared = build(kind, layers=dict((k, v) for k, v in plain.layers.items() if not k.startswith("Input-")))
    close(outputs(shared, *feed(kind))[0], want)


# ---------------------------------------------------------------------------------------------- one by one


def test_groups_of_albert_are_the_unshared_model_with_shared_layers(tmp_path):
    sizes = {"num_hidden_layers": 4, "inner_group_num": 2}
    grouped = spread(build("albert_groups", **sizes))
    path = saved(grouped, tmp_path)
    names = {name for name in grouped.layers if name.endswith("MultiHeadSelfAttention")}
    assert names == {f"Transformer-G{g}-I{i}-MultiHeadSelfAttention" for g in (0, 1) for i in (0, 1)}
    unshared = build("albert_groups", path, model="albert_unshared", **sizes)
    assert sum(name.endswith("MultiHeadSelfAttention") for name in unshared.layers) == 8
    close(outputs(unshared, IDS, SEGMENTS)[0], outputs(grouped, IDS, SEGMENTS)[0])
    with open_checkpoint(path) as checkpoint:
        groups = {name.split("/")[3] for name in checkpoint if "/transformer/" in name}
    assert groups == {"group_0", "group_1"}


def test_groups_that_the_file_lacks_are_missed(tmp_path):
    path = saved(build("albert"), tmp_path)
    with pytest.raises(CheckpointError, match="missing: bert/encoder/transformer/group_1/"):
        build("albert", path, num_hidden_groups=2)
    with pytest.raises(ConfigError, match="no more groups than the 2 layers"):
        build("albert", num_hidden_groups=3)


@pytest.mark.parametrize(
    "kind,kwargs,message",
    [
        ("electra", {"with_mlm": True}, "electra_generator"),
        ("electra", {"with_pool": True}, "output"),
        ("electra_generator", {"with_discriminator": True}, "model='electra'"),
        ("electra", {"application": "lm"}, "not possible"),
        ("nezha", {"use_relative_position": False}, "model='bert'"),
        ("nezha", {"attention_key_size": 4}, "keys and values"),
        ("roberta", {"with_nsp": True}, "with_nsp: RoBERTa has no such head"),
        ("distilbert", {"with_pool": True}, "with_pool: DistilBERT has no such head; .*output"),
        ("distilbert", {"with_nsp": True}, "with_nsp: DistilBERT has no such head"),
        ("mpnet", {"with_nsp": True}, "with_nsp: MPNet has no such head"),
        ("gau", {"residual_attention_scores": True}, "residual_attention_scores"),
    ],
)
def test_refused(kind, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        build(kind, **kwargs)


def test_unshared_blocks_that_differ_are_not_written_as_one(tmp_path):
    transformer = spread(build("albert_unshared"))
    layer = transformer.layers["Transformer-1-FeedForward"]
    layer.set_weights([w + 1 for w in layer.get_weights()])
    with pytest.raises(CheckpointError, match="Transformer-3-FeedForward differs .*inner_group_1"):
        saved(transformer, tmp_path)
    assert not list(tmp_path.iterdir())


def test_pre_ln_configs_are_refused():
    with pytest.raises(ConfigError, match="ln_type='preln'"):
        build_transformer_model(dict(SMALL, ln_type="preln"), model="albert")


def test_nezha_clips_distances(tmp_path):
    """Beyond max_relative_position all distances are one."""
    plain = spread(build("nezha", num_hidden_layers=1))
    custom = build("nezha", saved(plain, tmp_path), num_hidden_layers=1, custom_position_ids=True)
    ids, segments = np.array([[2, 5, 7]]), np.zeros((1, 3))
    near, far = (outputs(custom, ids, segments, np.array([p]))[0] for p in ([0, 1, 4], [0, 1, 9]))
    assert np.abs(far[:, 0] - near[:, 0]).max() < 1e-6  # 4 and 9 are both beyond 3
    two = outputs(custom, ids, segments, np.array([[0, 1, 2]]))[0]
    assert np.abs(far[:, 0] - two[:, 0]).max() > 1e-4


def test_generator_with_embeddings_of_its_own(tmp_path):
    """Files of untied generators, a switch of Google's code, hold both tables."""
    transformer = spread(build("electra_generator", with_mlm="linear"))
    with open_checkpoint(saved(transformer, tmp_path)) as checkpoint:
        tensors = {name: checkpoint[name] for name in checkpoint}
    untied = {k.replace("electra/embeddings/", "generator/embeddings/"): v for k, v in tensors.items()}
    untied.update({k: v + 1 for k, v in tensors.items() if k.startswith("electra/embeddings/")})
    again = build("electra_generator", untied, with_mlm="linear")
    close(outputs(again, IDS, SEGMENTS)[0], outputs(transformer, IDS, SEGMENTS)[0])


def test_initial_weights_of_deep_networks():
    """RoFormerV2 draws 1.13684723 / sqrt(width) · depth ** (-1 / 2), GAU-alpha the third root."""
    for kind, order in (("roformer_v2", 2), ("gau", 3)):
        transformer = build(kind, hidden_size=64, embedding_size=64, intermediate_size=256, num_hidden_layers=4)
        for name, layer in transformer.layers.items():
            for w in layer.get_weights() if name.startswith("Transformer") and hasattr(layer, "weights") else ():
                if w.ndim == 2:
                    want = 1.13684723 / w.shape[0] ** 0.5 * 4 ** (-1.0 / order) * 0.8796
                    assert abs(w.std() / want - 1) < 0.1, (name, w.shape)


def test_whole_models_survive_saving(tmp_path):
    suffix = whole_model_suffix()
    from b4k3.layers import custom_objects

    for kind in ["gau", "nezha"] + NEW_KINDS:
        transformer = spread(build(kind, custom_position_ids=True))
        inputs = feed(kind) + [np.tile(np.arange(8), (2, 1))]
        want = outputs(transformer, *inputs)[0]
        transformer.model.save(str(tmp_path / kind) + suffix)
        again = keras.models.load_model(str(tmp_path / kind) + suffix, dict(custom_objects), compile=False)
        close(goldens.predict(again, inputs)[0], want)
