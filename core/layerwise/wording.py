"""Numbers and suggestions for readers."""

from collections.abc import Iterable
from itertools import islice


def number_words(value: float, *, digits: int = 4) -> str:
    """Format `value` with `digits` significant digits, large values as whole numbers: 0.9123, 89,864, 1.2e-05."""
    short = f"{value:.{digits}g}"
    return f"{value:,.0f}" if 1000 <= abs(float(short)) < 1e15 else short


def did_you_mean(word: object, options: Iterable[str]) -> str:
    """Return "; did you mean NAME?" with the option most like `word`, whatever the case; "" if none is like it.

    Of the options, the first 1,000 are compared, and of long words the first characters.
    """
    from difflib import get_close_matches  # noqa: PLC0415 – only errors need it

    folded = {option.casefold(): option for option in islice(options, 1000)}
    near = get_close_matches(str(word)[:256].casefold(), folded, 1)
    return f"; did you mean {readable(folded[near[0]])}?" if near else ""


def readable(name: object) -> str:
    """Return a name for a message: in quotes, with codes, if it has invisible characters or blanks around it."""
    text = str(name)
    return text if text.isprintable() and text == text.strip() else repr(text)


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return the names; one that stands already gets a number, from 2 on: yes, no, yes_2."""
    found: dict[str, None] = {}
    for name in names:
        new, number = name, 1
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found[new] = None
    return list(found)


def score_words(value: float) -> str:
    """Format an accuracy or R² with four decimals, an R² that is hopeless as `number_words`: 0.9123, -4.476e+27."""
    return f"{value:.4f}" if abs(value) < 1000 else number_words(value)
