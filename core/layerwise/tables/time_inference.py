"""Inference of how the dates and times of day of a column are spelled."""

from layerwise.checks import shown
from layerwise.tables.column_texts import ColumnTexts, InferredFormat, with_gaps
from layerwise.tables.doubt import Doubt
from layerwise.tables.formats import DateFormat, TimeFormat

DATE_FORMATS = (DateFormat(), DateFormat(day_first=False), DateFormat(year_first=True))


def infer_date(column: ColumnTexts) -> InferredFormat | None:
    if not any(column.read_by(each) for each in DATE_FORMATS):
        return None
    reads = [column.read_by(each, whole=True) for each in DATE_FORMATS]
    rows = [column.rows_of(read) for read in reads]
    best = max(range(len(rows)), key=lambda i: (rows[i], -i))
    read = reads[best]
    odd = column.odd(read)
    if odd is None or not read or column.plain.rows:
        return None
    doubts: list[Doubt] = []
    chosen = DATE_FORMATS[best]
    other = reads[1 - best] if best < 2 else {}
    if read.keys() <= other.keys() and (text := next((each for each in read if read[each] != other[each]), "")):
        first = "day" if chosen.day_first else "month"
        message = f"{shown(text)} is read with the {first} first, which no row decides"
        doubts.append(Doubt("DATE_ORDER", message, "date", text))
    return with_gaps(chosen, column, odd, doubts, "dates")


def infer_time(column: ColumnTexts) -> InferredFormat | None:
    if column.plain.rows:
        return None
    found = TimeFormat()
    read = column.read_by(found)
    odd = column.odd(read)
    return None if odd is None or not read else with_gaps(found, column, odd, [], "times")
