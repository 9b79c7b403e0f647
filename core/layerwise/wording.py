"""Numbers formatted for readers."""


def number_words(value: float, *, digits: int = 4) -> str:
    """Format `value` with `digits` significant digits, large values as whole numbers: 0.9123, 89,864, 1.2e-05."""
    short = f"{value:.{digits}g}"
    return f"{value:,.0f}" if 1000 <= abs(float(short)) < 1e15 else short
