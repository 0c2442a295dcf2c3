"""Read and write what all kinds of `tokenizer.json` share: truncation, padding, added tokens, post-processor.

Each setting is implemented or refused by its name.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

from ._json import Node
from .added_tokens import AddedToken
from .template import Template, TemplatePart, around_single
from .vocab import VocabError

_STRATEGIES = {"LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}
_SIDES = {"Right": "right", "Left": "left"}
_LONGEST = 1 << 20  # tokens; a file that wants longer rows is refused
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def invert(table: dict[str, str]) -> dict[str, str]:
    """Return the table from value to key.

    Arguments:
        table: dict from str to str, whose values differ.

    Returns:
        Dict from str to str.
    """
    return {value: key for key, value in table.items()}


# ---- truncation and padding


def batch_defaults(description: Node) -> dict[str, Any]:
    """Return the truncation and padding of the file as arguments of `encode_batch`.

    Arguments:
        description: Node. The file.

    Returns:
        Dict from argument to value.
    """
    defaults = {}
    truncation, padding = description.get("truncation", None), description.get("padding", None)
    if not truncation.is_null:
        defaults["maxlen"] = truncation["max_length"].integer()
        defaults["truncation"] = _STRATEGIES[truncation["strategy"].one_of(*_STRATEGIES)]
        defaults["stride"] = truncation["stride"].integer()
        defaults["truncation_side"] = _SIDES[truncation.get("direction", "Right").one_of(*_SIDES)]
    if not padding.is_null:
        strategy = padding["strategy"]
        if isinstance(strategy.value, dict) and len(strategy.value) == 1:
            defaults["padding"] = strategy["Fixed"].integer(0, _LONGEST)
        else:
            defaults["padding"] = strategy.one_of("BatchLongest") and "longest"
        defaults["padding_side"] = _SIDES[padding["direction"].one_of(*_SIDES)]
        multiple = padding["pad_to_multiple_of"]
        defaults["pad_to_multiple_of"] = None if multiple.is_null else multiple.integer(0, _LONGEST)
        defaults["pad_id"] = padding["pad_id"].integer()
        defaults["pad_type_id"] = padding["pad_type_id"].integer()
        defaults["pad_token"] = padding["pad_token"].text()
    return defaults


def truncation_and_padding(tokenizer: Any) -> dict[str, Any]:
    """Return the two values of a file that say the `batch_defaults` of a tokenizer.

    Arguments:
        tokenizer: tokenizer.

    Returns:
        Dict with the keys 'truncation' and 'padding'.
    """
    from ._batch import Settings

    settings = Settings(**tokenizer.batch_defaults).checked()
    truncation = padding = None
    if settings.maxlen is not None:
        truncation = {
            "direction": invert(_SIDES)[settings.truncation_side],
            "max_length": settings.maxlen,
            "strategy": invert(_STRATEGIES)[settings.truncation],
            "stride": settings.stride,
        }
    if settings.padding is not False:
        length = settings.maxlen if settings.padding == "max_length" else settings.padding
        padding = {
            "strategy": "BatchLongest" if length == "longest" else {"Fixed": length},
            "direction": invert(_SIDES)[settings.padding_side],
            "pad_to_multiple_of": settings.pad_to_multiple_of,
            "pad_id": getattr(tokenizer, "_token_pad_id", 0) if settings.pad_id is None else settings.pad_id,
            "pad_type_id": settings.pad_type_id,
            "pad_token": tokenizer._token_pad if settings.pad_token is None else settings.pad_token,
        }
    return {"truncation": truncation, "padding": padding}


# ---- added tokens


def added_tokens(description: Node) -> list[AddedToken]:
    """Return the added tokens of the file in the order of their ids.

    Arguments:
        description: Node. The file.

    Returns:
        List of AddedToken.
    """
    nodes = description.get("added_tokens", None)
    tokens = []
    for node in [] if nodes.is_null else nodes.items():
        if not node["content"].text():
            raise node["content"].error("a token")
        flags = {name: node.get(name, name == "normalized" and not special(node)).boolean() for name in _FLAGS}
        tokens.append(AddedToken(node["content"].text(), node["id"].integer(), **flags))
    tokens.sort(key=lambda token: token.id)
    for first, second in zip(tokens, tokens[1:]):
        if first.id == second.id:
            raise VocabError(
                f"{description.path}: the added tokens {first.content!r} and {second.content!r} have one id, {first.id}"
            )
    return tokens


def special(node: Node) -> bool:
    """Return whether an added token is special.

    Arguments:
        node: Node. The added token.

    Returns:
        bool.
    """
    return node.get("special", False).boolean()


def place_added_tokens(path: str, tokens: Sequence[AddedToken], find: Callable[[str], int | None], size: int) -> None:
    """Check that the added tokens have the ids that Hugging Face's tokenizers gives them, whatever the file says.

    Arguments:
        path: str. The file, for messages.
        tokens: sequence of AddedToken, in the order of their ids.
        find: function from a token to its id in the model, or None.
        size: int. The number of tokens of the model.

    Raises:
        VocabError: a token is there twice, or has another id.
    """
    following, contents = size, {}
    for token in tokens:
        if token.content in contents:
            raise VocabError(f"{path}: the added token {token.content!r} is there twice")
        contents[token.content] = token.id
        known = find(token.content)
        expected = following if known is None else known
        if token.id != expected:
            raise VocabError(
                f"{path}: the added token {token.content!r} has id {token.id}; expected {expected}, "
                + ("the id after the last one" if known is None else "its id in model.vocab")
            )
        if known is None:
            following += 1


def added_token(token: AddedToken) -> dict[str, Any]:
    """Return an added token as the file says it.

    Arguments:
        token: AddedToken.

    Returns:
        Dict.
    """
    return dict({"id": int(token.id), "content": token.content}, **{name: getattr(token, name) for name in _FLAGS})


# ---- the post-processor


def apply_settings(tokenizer: Any, description: Node, tokens: Sequence[AddedToken], kwargs: dict[str, Any]) -> None:
    """Give a tokenizer what does not depend on the model of the file: added tokens, template, truncation and padding.

    Arguments:
        tokenizer: Tokenizer or SpTokenizer, which is changed.
        description: Node. The file.
        tokens: sequence of AddedToken. The added tokens of the file.
        kwargs: dict. The arguments that its class was given. `token_start` and `token_end` win over the file.

    Raises:
        VocabError: Two added tokens are the same in normalised text, or the file is broken.
    """
    try:
        tokenizer._set_added(tokens)
    except VocabError as e:
        raise VocabError(f"{description.path}: {e}") from None
    tokenizer.batch_defaults = batch_defaults(description)
    _set_template(tokenizer, description, kwargs)


def _set_template(tokenizer: Any, description: Node, kwargs: dict[str, Any]) -> None:
    """Give a tokenizer the file's template, if it is another than `token_start text token_end text token_end`."""
    node = description.get("post_processor", None)
    template = read_template(node, tokenizer._id_of_token, tokenizer._added_tokens)
    if "token_start" in kwargs or "token_end" in kwargs:
        return
    before, after = tokenizer._ids_around()
    usual = Template.around(before, after)
    if (template.single, template.pair) != (usual.single, usual.pair):
        tokenizer._template = template


def specials_around(description: Node) -> tuple[str | None, str | None]:
    """Return the special tokens right before and right after a single text, None for none.

    Arguments:
        description: Node. The file.

    Returns:
        (str or None, str or None).
    """
    before, after = around_single(read_template(description.get("post_processor", None), None).single)
    return before[-1] if before else None, after[0] if after else None


def _check_nothing_to_trim(tokens: Sequence[AddedToken], node: Node) -> None:
    """Refuse added tokens that take white space with them, whose offsets would have to be trimmed."""
    for token in tokens:
        if token.lstrip or token.rstrip or token.content != token.content.strip():
            raise VocabError(
                f"{node.path}: {node.name}.trim_offsets is true, which is not supported with the added token "
                f"{token.content!r}, which takes white space with it"
            )


def read_template(node: Node, find: Callable[[str], int | None] | None, tokens: Sequence[AddedToken] = ()) -> Template:
    """Read a post-processor.

    Arguments:
        node: Node. The post-processor.
        find: function from a token to its id in the vocabulary, or None if the vocabulary lacks it. Without a function,
            special tokens stand in the template with their names.
        tokens: sequence of AddedToken. The added tokens of the file.

    Returns:
        Template.

    Raises:
        VocabError: the post-processor is malformed, or is one that is not supported.
    """
    if node.is_null:
        return Template.around([], [])
    kind = node["type"].one_of("TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence")
    if kind == "Sequence":
        processors = [p for p in node["processors"].items() if p["type"].value != "ByteLevel"]
        if len(processors) != 1 or processors[0]["type"].value == "Sequence":
            raise node["processors"].error("one post-processor that adds special tokens")
        return read_template(processors[0], find, tokens)
    if kind == "TemplateProcessing":
        return _read_parts(node, find)
    before, after = (_special_of_pair(node[name], find) for name in ("cls", "sep"))
    if kind == "BertProcessing":
        return Template.around(before, after)
    node.get("add_prefix_space", True).boolean()  # it changes no more than trimmed offsets
    if node.get("trim_offsets", True).boolean():
        _check_nothing_to_trim(tokens, node)
    single = [TemplatePart(None, 0, before), TemplatePart(0), TemplatePart(None, 0, after)]
    return Template(single, single + [TemplatePart(None, 0, after), TemplatePart(1), TemplatePart(None, 0, after)])


def without_trimming(node: Node) -> tuple[Any, list[bool]]:
    """Take out of a post-processor what trims offsets.

    Arguments:
        node: Node. The post-processor.

    Returns:
        (value or None, list of bool). The post-processor that adds special tokens, and for each one that trims offsets
            whether a blank was put before the text.
    """
    if node.is_null:
        return None, []
    kind = node["type"].value
    if kind == "Sequence":
        found = [without_trimming(part) for part in node["processors"].items()]
        left = [value for value, _ in found if value is not None]
        kinds = ["adds" if value is not None else "trims" for value, trims in found if value is not None or trims]
        if "adds" in kinds and "trims" in kinds[kinds.index("adds") :]:
            raise node["processors"].error("the ByteLevel before the post-processor that adds special tokens")
        trims = [trim for _, trims in found for trim in trims]
        return ({"type": "Sequence", "processors": left} if len(left) > 1 else (left or [None])[0]), trims
    if kind not in ("ByteLevel", "RobertaProcessing"):
        return node.value, []
    trims = [node.get("add_prefix_space", True).boolean()] if node.get("trim_offsets", True).boolean() else []
    return (None if kind == "ByteLevel" else dict(node.value, trim_offsets=False)), trims


def _special_of_pair(node: Node, find: Any) -> tuple[Any]:
    token, i = node.items(2)
    return (_checked_special(token, i, find),)


def _checked_special(token: Node, i: Node, find: Any) -> Any:
    """Return the id of a special token, which has to be the one in the vocabulary."""
    given = i.integer()
    if find is None:
        return token.text()
    known = find(token.text())
    if known != given:
        known = "which does not have it" if known is None else known
        raise i.error(f"the id of {token.value!r} in the vocabulary, {known}")
    return given


def _read_parts(node: Node, find: Any) -> Template:
    special = {}
    for name in node.get("special_tokens", {}).object():
        entry = node["special_tokens"][name]
        tokens, ids = entry["tokens"].items(), entry["ids"].items()
        if len(tokens) != len(ids) or not ids:
            raise entry.error("as many ids as tokens, and one at least")
        checked = tuple(_checked_special(token, i, find) for token, i in zip(tokens, ids))
        special[name] = checked if find else (name,)
    single = _read_places(node["single"], special, find, (0,))
    pair = node.get("pair", None)
    if pair.is_null:
        return Template(single, _usual_pair(single))
    return Template(single, _read_places(pair, special, find, (0, 1)))


def _usual_pair(single: list[TemplatePart]) -> list[TemplatePart]:
    """Return the places of a pair as in BERT, for a file that does not say them."""
    at = [part.sequence for part in single].index(0)
    return single + [TemplatePart(1, 1)] + [part._replace(type_id=1) for part in single[at + 1 :]]


def _of_its_name(name: Node, find: Any) -> tuple[Any]:
    """Return the ids of a special token that the template does not list: a token of the vocabulary."""
    found = find(name.value) if find else name.value
    if found is None:
        raise name.error("a name in post_processor.special_tokens, or a token of the vocabulary")
    return (found,)


def _read_places(node: Node, special: dict[str, Any], find: Any, sequences: Sequence[int]) -> list[TemplatePart]:
    parts = []
    for place in node.items():
        (kind,) = place.object() if len(place.object()) == 1 else (None,)
        if kind not in ("Sequence", "SpecialToken"):
            raise place.error("{'Sequence': …} or {'SpecialToken': …}")
        name, type_id = place[kind]["id"], place[kind]["type_id"].integer()
        if kind == "Sequence":
            parts.append(TemplatePart("AB".index(name.one_of("A", "B")), type_id))
        else:
            parts.append(TemplatePart(None, type_id, special.get(name.text()) or _of_its_name(name, find)))
    if sorted(part.sequence for part in parts if part.sequence is not None) != list(sequences):
        raise node.error("each text once, with special tokens around them")
    return parts


def written_template(tokenizer: Any) -> dict[str, Any]:
    """Return the post-processor that says the template of a tokenizer.

    Arguments:
        tokenizer: tokenizer.

    Returns:
        Dict.
    """
    names = (token for token in (tokenizer._token_start, tokenizer._token_end) if token is not None)
    names, special = {tokenizer.token_to_id(token): token for token in names}, {}

    def places(pair: bool) -> list[dict[str, Any]]:
        """Return the places of one text or of two, and note their special tokens."""
        found = []
        for part in tokenizer._parts_of_rows(pair):
            if part.sequence is not None:
                found.append({"Sequence": {"id": "AB"[part.sequence], "type_id": part.type_id}})
            for i in part.ids:
                token = tokenizer.id_to_token(i)
                name = names.get(i, token)
                special[name] = {"id": name, "ids": [int(i)], "tokens": [token]}
                found.append({"SpecialToken": {"id": name, "type_id": part.type_id}})
        return found

    single, pair = places(False), places(True)
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
