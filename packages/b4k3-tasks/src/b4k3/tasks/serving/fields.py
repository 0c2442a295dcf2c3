"""The fields of a request, taken one by one. What is wrong or left over is refused by its name."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from b4k3.models.errors import short

from .refusals import Refusal

REQUIRED: Any = object()
NAMES = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class Fields:
    """The fields of the body of a request.

    Arguments:
        body: bytes. A JSON object in UTF-8.

    Raises:
        Refusal: it is none.

    Example:
        >>> from b4k3.tasks.serving.fields import Fields
        >>> fields = Fields(b'{"input": "a cat", "top": 3}')
        >>> fields.texts("input"), fields.number("top", int, 5, least=1), fields.finish()
        (['a cat'], 3, None)
    """

    def __init__(self, body: bytes) -> None:
        try:
            found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except UnicodeDecodeError:
            raise Refusal(400, "the body is no UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise Refusal(400, f"the body is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise Refusal(400, f"the body is a JSON {type(found).__name__}, expected an object")
        self.rest: dict[str, Any] = found

    def take(self, name: str, kind: Any, default: Any = REQUIRED) -> Any:
        """Take a field.

        Arguments:
            name: str.
            kind: type, a key of `NAMES`.
            default: what is returned if the field is missing or null. Without it the field must be there.

        Returns:
            The value of the field.

        Raises:
            Refusal: the field is missing, or of another type.
        """
        value = self.rest.pop(name, None)
        if value is None:
            if default is REQUIRED:
                raise Refusal(400, f"{name!r} is missing, expected {NAMES[kind]}", param=name)
            return default
        kinds = (int, float) if kind is float else kind
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
            refuse(name, value, NAMES[kind])
        return value

    def number(self, name: str, kind: Any, default: Any, least: float = 0, most: float = float("inf")) -> Any:
        """Take a field that is a number.

        Arguments:
            name: str.
            kind: type. int or float.
            default: what is returned if the field is missing.
            least: float. The least number that is taken.
            most: float. The greatest number that is taken.

        Returns:
            int or float.

        Raises:
            Refusal: the field is no number, or out of these bounds.
        """
        value = self.take(name, kind, default)
        if value is not None and not least <= value <= most:
            refuse(name, value, f"{least} to {most}" if most != float("inf") else f"{least} or more")
        return value

    def choice(self, name: str, default: str | None, *choices: str) -> str | None:
        """Take a field that is one of a few strings.

        Arguments:
            name: str.
            default: str or None. What is returned if the field is missing.
            choices: str. What the field may be.

        Returns:
            str; or `default`.

        Raises:
            Refusal: it is something else.
        """
        value: str | None = self.take(name, str, default)
        if value is not None and value not in choices:
            refuse(name, value, f"one of {', '.join(choices)}")
        return value

    def texts(self, name: str, default: Any = REQUIRED) -> list[str]:
        """Take a field that is a text or a list of texts.

        Arguments:
            name: str.
            default: what is returned if the field is missing.

        Returns:
            list of str, at least one.

        Raises:
            Refusal: it is something else.
        """
        return [self._text(name, value) for value in self._listed(name, default)]

    def texts_or_pairs(self, name: str) -> list[Any]:
        """Take a field that is a text, or a list whose elements are texts or pairs of texts.

        Arguments:
            name: str.

        Returns:
            list whose elements are str or (str, str), at least one.

        Raises:
            Refusal: it is something else.
        """
        taken = []
        for value in self._listed(name, REQUIRED):
            if isinstance(value, list) and len(value) != 2:
                refuse(name, value, "texts and pairs of texts")
            pair = isinstance(value, list)
            taken.append(tuple(self._text(name, part) for part in value) if pair else self._text(name, value))
        return taken

    def finish(self) -> None:
        """Refuse what is left over. A field that is null counts as one that is not there.

        Raises:
            Refusal: a field is left. The message names it.
        """
        rest = [name for name, value in self.rest.items() if value is not None]
        if rest:
            name = min(rest)[:80]
            raise Refusal(400, f"{name!r} is not understood; leave it out", "unknown_field", name)

    def _listed(self, name: str, default: Any) -> list[Any]:
        """Return the values of a field as a list."""
        value = self.rest.pop(name, None)
        if value is None and default is not REQUIRED:
            return list(default)
        if value is None:
            raise Refusal(400, f"{name!r} is missing, expected a text or a list of texts", param=name)
        if value == []:
            refuse(name, value, "at least one text")
        return value if isinstance(value, list) else [value]

    def _text(self, name: str, value: Any) -> str:
        """Return a text; raise Refusal if it is none, or if UTF-8 cannot hold it."""
        if isinstance(value, (int, list)) and not isinstance(value, bool):
            raise Refusal(400, f"{name!r} has token ids, which are not taken; send texts", param=name)
        if not isinstance(value, str):
            refuse(name, value, "a text or a list of texts")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Refusal(400, f"{name!r} has half of a surrogate pair, which is no character", param=name) from None
        return value


def refuse(name: str, value: Any, expected: str) -> NoReturn:
    """Refuse the value of a field.

    Arguments:
        name: str. The field.
        value: what it has.
        expected: str. What it may have.

    Raises:
        Refusal: always.
    """
    raise Refusal(400, f"{name!r} is {short(value)}, expected {expected}", param=name)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
