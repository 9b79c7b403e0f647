"""Names of columns that look like the writing of a place, or have to be escaped somewhere on their way."""

AWKWARD_NAMES = (
    "Sepal.Length",
    "a/b",
    "a~b",
    "~1",
    "x[0]",
    "rows[1].y",
    "0",
    'it\'s "quoted"',
    "Größe: 100 %",
    "#体重?",
)
