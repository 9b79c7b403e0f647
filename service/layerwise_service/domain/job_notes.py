"""What callers say of jobs: labels, by which lists are filtered, a note for people, and a priority."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from layerwise.errors import Place
from layerwise_service.errors import InvalidRequest

MOST_LABELS = 32
MOST_LABEL = 128
"""Characters of the value of a label."""
MOST_NOTE = 4_000
"""Characters of a note."""
PRIORITIES = (-10, 10)
LABEL_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
"""The pattern of the name of a label."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a caller says of a new job. Of those that wait, one of a higher `priority` comes earlier."""

    labels: dict[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    priority: int = 0

    def check(self) -> None:
        """Raise `InvalidRequest` if one of them may not be what it is."""
        check_labels(self.labels)
        check_note(self.note)
        least, most = PRIORITIES
        if not least <= self.priority <= most:
            raise InvalidRequest(f"expected {least} to {most}, got {self.priority}", pointer="priority")


NO_NOTES = Notes()


def check_labels(labels: Mapping[str, str | None]) -> None:
    """Raise `InvalidRequest` if the labels of a job may not be these."""
    if len(labels) > MOST_LABELS:
        raise InvalidRequest(f"expected at most {MOST_LABELS} labels, got {len(labels)}", pointer="labels")
    for name, value in labels.items():
        place = Place("labels", name[:64])
        if not re.fullmatch(LABEL_NAME, name):
            detail = "expected a name of 1 to 63 letters, digits, _, . and -, beginning with a letter or digit"
            raise InvalidRequest(f"{detail}, got {name[:64]!r}", pointer=place)
        if value is not None and len(value) > MOST_LABEL:
            raise InvalidRequest(f"expected at most {MOST_LABEL} characters, got {len(value)}", pointer=place)
        if value is not None and not value.isprintable():  # NUL, which PostgreSQL cannot store, and halves of a pair
            raise InvalidRequest(f"expected visible characters, got {value!r}", pointer=place)


def check_note(note: str) -> None:
    """Raise `InvalidRequest` if a note is too long."""
    if len(note) > MOST_NOTE:
        raise InvalidRequest(f"expected at most {MOST_NOTE} characters, got {len(note)}", pointer="note")
    if wrong := next((each for each in note if not each.isprintable() and each not in "\n\t"), None):
        raise InvalidRequest(f"expected visible characters and ends of lines, got {wrong!r}", pointer="note")
