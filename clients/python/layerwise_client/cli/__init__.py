"""The command `layerwise`, which trains and predicts on a service, and lists jobs, models and data sets."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, and end the process with its exit code."""
    if any(find_spec(library) is None for library in ("click", "rich")):
        sys.stderr.write("layerwise: the command line needs click and rich: pip install 'layerwise[cli]'\n")
        raise SystemExit(1)
    from layerwise_client.cli.group import layerwise

    layerwise(prog_name="layerwise")
