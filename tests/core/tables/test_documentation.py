"""docs/tables.md names everything there is to choose, and its example works."""

import dataclasses
import re
from pathlib import Path

from layerwise.tables import ENCODINGS, FORMATS
from layerwise.tables.encodings import CYCLIC_PARTS, PLAIN_PARTS

TEXT = (Path(__file__).parents[3] / "docs" / "tables.md").read_text()


def test_the_documentation_names_every_encoding_format_field_and_part():
    names = {*PLAIN_PARTS, *CYCLIC_PARTS}
    for kind, cls in [*ENCODINGS.items(), *FORMATS.items()]:
        names |= {kind, cls.__name__, *(field.name for field in dataclasses.fields(cls))}

    assert [name for name in sorted(names) if f"`{name}`" not in TEXT] == []


def test_the_example_does_what_its_comments_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]

    exec(example, {})

    names, predicted = capsys.readouterr().out.splitlines()
    told = re.search(r"# \((.*), …\)", example)[1]
    assert names.startswith(f"({told}")
    assert predicted == re.search(r"# (\[.*\])", example)[1]
