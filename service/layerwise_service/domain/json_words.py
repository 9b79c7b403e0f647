"""Names of the kinds of JSON values, for error messages."""

from __future__ import annotations

JSON_WORDS: dict[type, str] = {
    float: "a number",
    int: "a whole number",
    str: "a string",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    type(None): "null",
}


def json_word(value: object) -> str:
    """Return the name of the kind of `value`, which was decoded from JSON."""
    return JSON_WORDS[type(value)]
