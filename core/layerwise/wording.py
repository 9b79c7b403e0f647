"""Numbers as people write them."""


def number_words(value: float, *, digits: int = 4) -> str:
    """`value` to so many digits, large ones whole: 0.9123, 89,864 and 1.2e-05."""
    short = f"{value:.{digits}g}"
    return f"{value:,.0f}" if 1000 <= abs(float(short)) < 1e15 else short
