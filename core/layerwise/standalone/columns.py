"""Source code of the encoder of tables: an expression for each column, and the functions that it calls."""

from pprint import pformat

from layerwise.standalone.layers import Functions
from layerwise.standalone.readers import FUNCTIONS
from layerwise.tables import CategoryColumn, DateColumn, Hashing, Log, NumberColumn, Ordinal, TableEncoder

WIDTH = 100
"""Line width of long lists."""


def encoder_source(encoder: TableEncoder) -> Functions:
    """Return the function `encoded` of a table, and the functions that it calls, by name."""
    called = {"values_of", "is_missing"}
    parts: list[str] = []
    for column in encoder.columns:
        if isinstance(column, NumberColumn):
            parts += _number(column, called)
        elif isinstance(column, DateColumn):
            called |= {"date_parts", "is_absent"}
            given = f"{list(column.encoding.parts)!r}, {column.shift!r}, {column.scale!r}, {column.encoding.missing!r}"
            parts.append(f"date_parts(table, {column.name!r}, {given})")
        else:
            parts.append(_category(column, called))
    lines = "".join(f"            {part},\n" for part in parts)
    source = (
        "def encoded(table):\n"
        '    """Return the inputs (n, INPUTS) of the network for `table`: columns by name, or a list of dicts."""\n'
        f"    inputs = np.hstack(\n        [\n{lines}        ]\n    )\n"
    )
    if encoder.constant:
        source += (
            "    # these were constant in training, so that the network learnt nothing from them\n"
            f"    inputs[:, {_listed(encoder.constant)}] = 0\n"
        )
    source += "    return inputs\n"
    return {"encoded": source} | {name: FUNCTIONS[name] for name in sorted(called)}


def _number(column: NumberColumn, called: set[str]) -> list[str]:
    called |= {"numbers", "is_absent"}
    x = f"numbers(table, {column.name!r}, {column.fill!r})"
    if column.quantiles:
        called.add("ranks")
        found = f"ranks({x}, {_listed(column.quantiles)})"
    else:
        if isinstance(column.encoding, Log):
            called.add("logarithms")
            x = f"logarithms({x}, {column.name!r}, clip={column.encoding.negative == 'clip'})"
        found = f"({x} - {column.shift!r}) / {column.scale!r}"
    if not column.indicates:
        return [found]
    called.add("missing_flags")
    return [found, f"missing_flags(table, {column.name!r})"]


def _category(column: CategoryColumn, called: set[str]) -> str:
    called |= {"places", "text_of", "one_hot"}
    own = column.symbols + (column.unseen == "other")
    others, missing = (
        {"error": '"error"', "none": "-1"}.get(policy, str(place))
        for policy, place in ((column.unseen, column.symbols), (column.encoding.missing, own))
    )
    if isinstance(column.encoding, Hashing):
        called.add("hashed_places")
        place = f"hashed_places(table, {column.name!r}, {column.encoding.buckets}, missing={missing})"
        return f"one_hot({place}, {column.width})"
    place = f"places(table, {column.name!r}, {_listed(column.categories)}, others={others}, missing={missing})"
    if isinstance(column.encoding, Ordinal):
        called.add("ordinal")
        return f"ordinal({place}, {column.symbols}, {column.width})"
    return f"one_hot({place}, {column.width})"


def _listed(values: tuple[object, ...]) -> str:
    """Return the values as a list literal, over several lines if it is long."""
    return pformat(list(values), width=WIDTH, compact=True).replace("\n", f"\n{' ' * 16}")
