"""The entry point of the command `layerwise`.

It is a package of its own because importing the SDK takes a third of a second, in which Ctrl-C is caught here.
"""

import sys


def main() -> None:
    """Run the command, and end the process with its exit code; 130 after Ctrl-C, as a shell does."""
    try:
        from layerwise_client.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
