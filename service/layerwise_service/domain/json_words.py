"""The kinds of JSON values, as errors call them."""

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
    """What `value`, as it was decoded from JSON, is called."""
    return JSON_WORDS[type(value)]
