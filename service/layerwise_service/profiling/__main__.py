"""`python -m layerwise_service.profiling PARENT`: make a profile in a process of its own.

The request comes through stdin, the profile or the error goes to stdout, as JSON.
"""

from __future__ import annotations

import sys

from layerwise_service.errors import ServiceError
from layerwise_service.process.lifecycle import end_with_parent, give_way_to_serving, limit_blas_threads


def main() -> None:
    end_with_parent(int(sys.argv[1]))
    give_way_to_serving()
    limit_blas_threads(1)
    import msgspec  # noqa: PLC0415

    from layerwise_service.profiling.profile import ProfileRequest, profile  # noqa: PLC0415 - loads NumPy
    from layerwise_service.reading.exchange import error_form  # noqa: PLC0415

    answer: object
    try:
        answer = profile(msgspec.json.decode(sys.stdin.buffer.read(), type=ProfileRequest))
    except ServiceError as error:
        answer = {"error": error_form(error)}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
