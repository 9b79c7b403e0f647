"""Source code of the encoder of tables: a block of inputs for each column, and the functions that it calls."""

from pprint import pformat
from zlib import crc32

from layerwise.standalone.layers import Functions
from layerwise.standalone.readers import called_by
from layerwise.tables import CategoryColumn, DateColumn, Hashing, Log, NumberColumn, Ordinal, TableEncoder, TextColumn
from layerwise.tables.cells import GAPS
from layerwise.tables.fitting import AnyColumn
from layerwise.tables.format import CATEGORY_READERS, READERS

WIDTH = 100
"""Line width of long lists."""


def encoder_source(encoder: TableEncoder) -> Functions:
    """Return the function `encoded` of a table, and the functions that it calls, by name."""
    lines: list[str] = []
    parts: list[str] = []
    for i, column in enumerate(encoder.columns):
        lines.append(f"    x{i} = cells(table, {column.name!r}, {_reader(column)})\n")
        if facts := _facts(column):
            lines.append(f"    note(warn, table, {column.name!r}, x{i}, {', '.join(facts)})\n")
        parts += _outputs(column, f"x{i}")
    source = (
        "def encoded(table, warn=None):\n"
        '    """Return the inputs (n, INPUTS) of the network for `table`: columns by name, or a list of dicts.\n\n'
        "    `warn` is called with a line about values that are unlike those in training.\n"
        '    """\n'
        f"{''.join(lines)}    inputs = np.hstack(\n        [\n"
        + "".join(f"            {part},\n" for part in parts)
        + "        ]\n    )\n"
    )
    if encoder.constant:
        source += (
            "    # these were constant in training, so that the network learnt nothing from them\n"
            f"    inputs[:, {_listed(encoder.constant)}] = 0\n"
        )
    source += "    return inputs\n"
    return {"encoded": source} | called_by(source)


def _reader(column: AnyColumn) -> str:
    """Return the arguments of `cells`: the function that reads a cell, what is wanted, and whether gaps are."""
    fields = column.format.arguments
    given = ", ".join(f"{name}={'GAPS' if value == GAPS else repr(value)}" for name, value in fields.items())
    readers = CATEGORY_READERS if isinstance(column, CategoryColumn) else READERS
    read = f"lambda cell: {readers[column.format.kind].__name__}(cell, {given})"
    return f"{read}, {column.format.wanted!r}, gaps={column.encoding.missing != 'error'}"


def _facts(column: AnyColumn) -> list[str]:
    """Return the arguments of `note`: what is known of the values in training."""
    found: list[str] = []
    if column.gaps is False:
        found.append("gaps=False")
    if isinstance(column, NumberColumn | DateColumn) and column.range is not None:
        found.append(f"usual={column.usual!r}")
    if isinstance(column, CategoryColumn) and column.others is not None:
        known = {crc32(text.encode()) for text in column.categories} | column.others
        found.append(f"known={_listed(tuple(sorted(known)))}")
    return found


def _outputs(column: AnyColumn, x: str) -> list[str]:
    """Return the expressions of the outputs of a column, whose values are `x`."""
    if isinstance(column, NumberColumn):
        return _number(column, x)
    if isinstance(column, DateColumn):
        given = f"{list(column.encoding.parts)!r}, {column.shift!r}, {column.scale!r}, {column.encoding.missing!r}"
        return [f"date_parts({x}, {column.name!r}, {given})"]
    if isinstance(column, TextColumn):
        return [f"words({x}, {column.encoding.buckets}, {column.width})"]
    return [_category(column, x)]


def _number(column: NumberColumn, x: str) -> list[str]:
    numbers = f"numbers({x}, {column.fill!r})"
    if column.quantiles:
        found = f"ranks({numbers}, {_listed(column.quantiles)})"
    else:
        if isinstance(column.encoding, Log):
            clip = column.encoding.negative == "clip"
            numbers = f"logarithms({numbers}, {column.name!r}, clip={clip})"
        found = f"({numbers} - {column.shift!r}) / {column.scale!r}"
    if not column.indicates:
        return [found]
    return [found, f"missing_flags({x})"]


def _category(column: CategoryColumn, x: str) -> str:
    missing = column.code_of_missing if column.encoding.missing == "own" else -1
    if isinstance(column.encoding, Hashing):
        return f"one_hot(hashed_places({x}, {column.encoding.buckets}, missing={missing}), {column.width})"
    others = {"error": '"error"', "none": "-1"}.get(column.unseen, str(column.symbols))
    given = f"{column.name!r}, {_listed(column.categories)}, others={others}, missing={missing}"
    if isinstance(column.encoding, Ordinal):
        return f"ordinal(places({x}, {given}), {column.symbols}, {column.width})"
    return f"one_hot(places({x}, {given}), {column.width})"


def _listed(values: tuple[object, ...]) -> str:
    """Return the values as a list literal, over several lines if it is long."""
    return pformat(list(values), width=WIDTH, compact=True).replace("\n", f"\n{' ' * 16}")
