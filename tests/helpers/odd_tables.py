"""Odd but ordinary table files, each with the reading that a person would expect of its column `a`."""

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

ROWS = 300
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class OddTable:
    """A file; `values` are those of its first rows in column `a`, `doubts` the reasons of the doubts about it."""

    name: str
    content: bytes
    kind: str
    values: Sequence[object]
    doubts: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ("a", "y")

    @property
    def label(self) -> str:
        """The column of the rows' numbers."""
        return "y" if "y" in self.columns else self.columns[-1]


def seconds(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


DAYS = (seconds(2010, 1, 1), seconds(2011, 2, 2))


def lines(cell: Callable[[int], str], header: str = "a,y") -> str:
    mark = ";" if ";" in header else ","
    return header + "\n" + "".join(f"{cell(i)}{mark}{i}\n" for i in range(ROWS))


def table(
    name: str, kind: str, values: Sequence[object], cell: Callable[[int], str], *doubts: str, header: str = "a,y"
) -> OddTable:
    return OddTable(name, lines(cell, header).encode(), kind, values, frozenset(doubts))


def day(form: str) -> Callable[[int], str]:
    return lambda i: form.format(y=2010 + i % 9, m=i % 12 + 1, d=i % 28 + 1, name=MONTHS[i % 12])


def sometimes(word: str) -> Callable[[int], str]:
    return lambda i: str(i * 1.5) if i % 10 else word


def npz(**arrays: Any) -> bytes:
    """The content of an .npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


GAPS = lines(sometimes("NA"))
JSON_LINES = "".join(f'{{"a": {i * 2.5}, "y": {i}}}\n' for i in range(ROWS))
LATE = JSON_LINES[:-1].replace('"y": 299}', '"y": 299, "z": "late"}') + "\n"
NAMED = "a,y,name\n" + "".join(f"{sometimes('NA')(i)},{i},b\n" for i in range(ROWS))
BLANKS = GAPS.replace("\n", "\n \n\n", 200).replace("a,y", "a ,y")
COMMAS = "a;y\n" + "".join(f"{i},5;{i},0\n" for i in range(ROWS))
GERMAN_MONEY = "a;price;y\n" + "".join(f"{i + 100}.{i + 101};{i},5;{i}\n" for i in range(ROWS))
US_MONEY = "a,price,y\n" + "".join(f'"{i + 100},{i + 101}",{i}.5,{i}\n' for i in range(ROWS))
GERMAN = "größe,y\n" + "".join(f"ä{i % 3},{i}\n" for i in range(ROWS))

ODD_TABLES = (
    table("plain", "number", (0.0, 2.5), lambda i: str(i * 2.5)),
    table("whole numbers with gaps", "number", (0.0, 1.0), lambda i: "" if i % 7 == 3 else f"{i % 5}.0"),
    table("decimal comma", "number", (0.0, 1.1), lambda i: f"{i},{i % 10}", header="a;y"),
    table("thousands", "number", (1000.5, 2001.5), lambda i: f'"{i + 1},{i:03d}.50"'),
    table("percent", "number", (0.0, 1.0), lambda i: f"{i % 100}%"),
    table("currency", "number", (0.0, 1200.0), lambda i: f'"${i * 1200:,}"', "NUMBER_FORMAT"),
    table("currency codes", "number", (0.5, 1200.5), lambda i: f'"EUR {i * 1200:,}.50"'),
    table("units", "number", (0.0, 1.0), lambda i: f"{i % 90} kg"),
    table("units with a decimal comma", "number", (0.5, 1.5), lambda i: f"{i},5 km/h", header="a;y"),
    table("units that are sometimes missing", "number", (0.0, 1.0), lambda i: f"{i}{' m²' if i % 5 else ''}"),
    table("mixed units", "category", ("0 kg", "1 g"), lambda i: f"{i % 90} {'g' if i % 2 else 'kg'}", "MIXED_UNITS"),
    table("points that may divide thousands", "number", (100.1, 101.101),
          lambda i: f"{i % 900 + 100}.{i % 900 + 100}", "NUMBER_FORMAT"),
    table("points that divide thousands", "number", (1000.0, 1001000.0),
          lambda i: f"1.{i:03d}.000" if i % 2 else f"{i + 1}.000"),
    table("minus sign", "number", (-1.0, -2.0), lambda i: f"\u2212{i + 1}"),
    table("question marks", "number", (None, 1.5), sometimes("?"), "ODD_TEXTS"),
    table("None", "number", (None, 1.5), sometimes("None")),
    table("NA", "number", (None, 1.5), sometimes("NA")),
    table("slashed dates", "date", DAYS, day("{y}/{m:02d}/{d:02d}")),
    table("US dates", "date", DAYS, day("{m}/{d}/{y}")),
    table("German dates", "date", DAYS, day("{d:02d}.{m:02d}.{y}")),
    table("names of months", "date", DAYS, day("{d}-{name}-{y}")),
    table("compact dates", "date", DAYS, day("{y}{m:02d}{d:02d}T000000")),
    table("times with a zone", "date", (seconds(2013, 1, 1, 8),) * 2, lambda _: "2013-01-01T10:00:00+02:00"),
    table("times", "time", (0, 3660), lambda i: f"{i % 24:02d}:{i % 60:02d}"),
    table("booleans", "boolean", (1.0, 0.0), lambda i: str(i % 2 == 0)),
    table("yes and no", "boolean", (0.0, 1.0), lambda i: "yes" if i % 2 else "no"),
    table("ja and nein", "boolean", (0.0, 1.0), lambda i: "ja" if i % 2 else "nein"),
    table("VRAI and FAUX", "boolean", (0.0, 1.0), lambda i: "VRAI" if i % 2 else "FAUX"),
    table("codes", "category", ("000", "001"), lambda i: f"{i % 40:03d}", "CODES"),
    table("long identifiers", "category", (f"{2**53}", f"{2**53 + 1}"), lambda i: f"{2**53 + i % 3}", "CODES"),
    table("long round numbers", "number", (1e18, 2e18), lambda i: f"{i + 1}{'0' * 18}"),
    table("blanks after commas", "category", ("x0", "x1"), lambda i: f" x{i % 3}", header="a, y"),
    table("quotes", "category", ('say "x0", 0', 'say "x1", 1'), lambda i: f'"say ""x{i % 2}"", {i % 2}"'),
    table("identifiers", "category", ("u0", "u1"), lambda i: f"u{i}", "ALL_DIFFERENT"),
    table("line breaks", "text", ("line\n0", "line\n1"), lambda i: f'"line\n{i}"'),
    OddTable("gzip", gzip.compress(GAPS.encode()), "number", (None, 1.5)),
    OddTable("byte order mark", GAPS.encode("utf-8-sig"), "number", (None, 1.5)),
    OddTable("UTF-16", GAPS.encode("utf-16"), "number", (None, 1.5)),
    OddTable("UTF-16 without a mark", GAPS.encode("utf-16-le"), "number", (None, 1.5), frozenset({"ENCODING"})),
    OddTable("Latin 1", GERMAN.encode("latin-1"), "category", ("ä0", "ä1"), frozenset({"ENCODING"}), ("größe", "y")),
    OddTable("carriage returns", GAPS.replace("\n", "\r\n").encode(), "number", (None, 1.5)),
    OddTable("no last line break", GAPS[:-1].encode(), "number", (None, 1.5)),
    OddTable("tabs", GAPS.replace(",", "\t").encode(), "number", (None, 1.5)),
    OddTable("bars", GAPS.replace(",", "|").encode(), "number", (None, 1.5)),
    OddTable("lines before the header", b"exported by hand\n\n" + GAPS.encode(), "number", (None, 1.5),
             frozenset({"LINES_SKIPPED"})),
    OddTable("notes after the table", GAPS.encode() + b"\n_____\n(c) Statistics Office\n\nAs of: 12.02.2024\n",
             "number", (None, 1.5), frozenset({"LINES_SKIPPED"})),
    OddTable("titles of a spreadsheet", b"Sales,,\nAs of: 12.02.2024,,\n\n" + NAMED.encode(), "number", (None, 1.5),
             frozenset({"LINES_SKIPPED"}), ("a", "y", "name")),
    OddTable("titles and empty rows of a spreadsheet", b"Sales,,\n,,\n , ,\n" + NAMED.encode(), "number",
             (None, 1.5), frozenset({"LINES_SKIPPED"}), ("a", "y", "name")),
    OddTable("a dump of a database", GAPS.replace("NA", r"\N").replace(",", "\t").encode(), "number", (None, 1.5)),
    OddTable("a header's blanks", GAPS.replace("a,y", "\u200ba ,y").encode(), "number", (None, 1.5),
             frozenset({"RENAMED"})),
    OddTable("JSON Lines", JSON_LINES.encode(), "number", (0.0, 2.5)),
    OddTable("JSON Lines that change late", LATE.encode(), "number", (0.0, 2.5), columns=("a", "y", "z")),
    OddTable("JSON Lines of several types", JSON_LINES.replace(" 2.5,", ' "?",').encode(), "number", (0.0, None),
             frozenset({"ODD_TEXTS"})),
    OddTable("decimal commas in every column", COMMAS.encode(), "number", (0.5, 1.5)),
    OddTable("points that divide thousands beside decimal commas", GERMAN_MONEY.encode(), "number",
             (100101.0, 101102.0), columns=("a", "price", "y")),
    OddTable("commas that divide thousands beside decimal points", US_MONEY.encode(), "number",
             (100101.0, 101102.0), columns=("a", "price", "y")),
    OddTable("single quotes", lines(lambda i: f"'say, x{i % 2}'", "'a','y'").encode(), "category",
             ("say, x0", "say, x1")),
    OddTable("backslashes before quotes", lines(lambda i: rf'"say \"x{i % 2}\""', '"a","y"').encode(), "category",
             ('say "x0"', 'say "x1"')),
    OddTable("lone quotes", lines(lambda i: f'pipe {i % 2}"').encode(), "category", ('pipe 0"', 'pipe 1"')),
    OddTable("Excel's line of the delimiter", b"sep=;\r\n" + GAPS.replace(",", ";").replace("\n", "\r\n").encode(),
             "number", (None, 1.5)),
    OddTable("old Macintosh", GAPS.replace("\n", "\r").encode(), "number", (None, 1.5)),
    OddTable("line ends of several kinds", GAPS.replace("\n", "\r\n", 150).encode(), "number", (None, 1.5)),
    OddTable("empty lines and lines of blanks", BLANKS.encode(), "number", (None, 1.5)),
    OddTable("a delimiter at the end of each row", GAPS.replace("\n", ",\n").replace("y,", "y").encode(), "number",
             (None, 1.5)),
    OddTable("remarks before the header", b"# exported by hand, on Monday\n# all of it\n" + NAMED.encode(), "number",
             (None, 1.5), frozenset({"LINES_SKIPPED"}), ("a", "y", "name")),
    OddTable("no header", "".join(f"{i}.5,{i}\n" for i in range(-1, ROWS)).encode(), "number", (0.5, 1.5),
             frozenset({"NO_HEADER"}), ("-1.5", "-1")),
    OddTable("zero dates", lines(lambda i: "2010-01-01" if i % 20 else "0000-00-00").encode(), "date",
             (None, DAYS[0]), frozenset({"ODD_TEXTS"})),
    OddTable("errors of a spreadsheet", lines(sometimes("#DIV/0!")).encode(), "number", (None, 1.5),
             frozenset({"ODD_TEXTS"})),
    OddTable("UTF-16 of other letters", GERMAN.replace("ä", "東京").encode("utf-16-be"), "category", ("東京0", "東京1"),
             frozenset({"ENCODING"}), ("größe", "y")),
    OddTable("UTF-8 with a stray byte", GERMAN.encode().replace(b"2,299", b"\xff,299"), "category", ("ä0", "ä1"),
             frozenset({"ENCODING"}), ("größe", "y")),
    OddTable("a table of NumPy", npz(a=np.arange(ROWS) / 2, y=np.arange(ROWS)), "number", (0.0, 0.5)),
    OddTable("arrays of two dimensions", npz(a=np.arange(2 * ROWS).reshape(2, ROWS).T, y=np.arange(ROWS)), "number",
             (0, 1), columns=("a0", "a1", "y")),
    OddTable("dates of NumPy", npz(a=np.arange(14610, 14610 + ROWS).astype("M8[D]"), y=np.arange(ROWS)), "date",
             (DAYS[0], DAYS[0] + 86400)),
    OddTable("texts of NumPy", npz(a=np.array(['x,"0;', "x1"] * (ROWS // 2)), y=np.arange(ROWS)), "category",
             ('x,"0;', "x1")),
    OddTable("gzip of a table of NumPy", gzip.compress(npz(a=np.arange(ROWS), y=np.arange(ROWS))), "number", (0, 1)),
)  # fmt: skip
