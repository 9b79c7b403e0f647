"""Differences from Triton that are meant, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Meant:
    """Differences that look like one of the patterns `lines`, in cases that look like one of `cases`."""

    reason: str
    cases: Sequence[str]
    lines: Sequence[str]

    def concerns(self, case: str) -> bool:
        return any(fnmatchcase(case, pattern) for pattern in self.cases)

    def covers(self, line: str) -> bool:
        return any(fnmatchcase(line, pattern) for pattern in self.lines)


def unmeant(case: str, differences: Sequence[str], meant: Sequence[Meant]) -> list[str]:
    """What is wrong with the differences of a case: those that no reason covers, and reasons without a difference."""
    concerned = [each for each in meant if each.concerns(case)]
    new = [line for line in differences if not any(each.covers(line) for each in concerned)]
    gone = [
        f"no longer differs: {pattern}"
        for each in concerned
        for pattern in each.lines
        if not any(fnmatchcase(line, pattern) for line in differences)
    ]
    return new + gone


MODELS = [
    Meant(
        "the server's name, version and extensions are its own",
        ("metadata of the server",),
        ("*name is 'layerwise', not 'triton'", "*version is *", "*extensions is *"),
    ),
    Meant(
        "what computes our models",
        ("metadata of the model", "metadata of the version", "metadata of a table's model", "metadata of a regression"),
        ("*platform is 'layerwise', not 'python'",),
    ),
    Meant("NaN is refused, wherever it comes from", ("NaN",), ("status *, not *",)),
]

RPC_MEANT = [
    *MODELS,
    Meant(
        "our models have no files to name, and each version is served",
        ("configuration of the *", "configuration of a table's model"),
        (
            "*backend is 'layerwise', not 'python'",
            "*platform is new",
            "*default_model_filename is missing",
            "*output.0.label_filename is missing",
            "*version_policy.latest is missing",
            "*version_policy.all is new",
            "*max_batch_size is *, not 1024",
        ),
    ),
    Meant(
        "nothing is counted by the size of batches, of which callers choose as many as they like",
        ("what *row* add* to the statistics", "what a stream adds to the statistics"),
        (
            "batch_stats.?.compute_input.count is missing",
            "batch_stats.?.compute_infer.count is missing",
            "batch_stats.?.compute_output.count is missing",
        ),
    ),
    Meant("the same", ("statistics of the version",), ("1: message.model_stats.0.batch_stats is *",)),
    Meant(
        "a request that is refused after its version was found is a failure of that version",
        ("what a wrong shape adds to the statistics",),
        ("inference_stats.fail.count is new",),
    ),
    Meant(
        "a datatype that converts without loss is taken",
        ("datatype FP16", "datatype INT32, typed"),
        ("status OK, not INVALID_ARGUMENT",),
    ),
    Meant(
        "classes are named whichever output of the classes is asked for",
        ("classification of the logits",),
        ("*.0 is 'value:index:label', not 'value:index'", "*.1 is 'value:index:label', not 'value:index'"),
    ),
    Meant(
        "max_batch_size is what memory allows", ("more rows than max_batch_size",), ("status OK, not INVALID_ARGUMENT",)
    ),
    Meant("aliases are versions too", ("version latest",), ("status OK, not INVALID_ARGUMENT",)),
    Meant("1.0 is no number of a version", ("version 1.0",), ("status NOT_FOUND, not OK",)),
    Meant(
        "what is no number may be an alias, and one that is not there is not found",
        ("metadata of a version that is no number", "metadata of version -1", "version -1"),
        ("status NOT_FOUND, not INVALID_ARGUMENT",),
    ),
    Meant("the same", ("a version that is no number is not ready",), ("status OK, not INVALID_ARGUMENT",)),
    Meant(
        "any number that is no version is not found",
        ("version 99999999999999999999",),
        ("status NOT_FOUND, not INVALID_ARGUMENT",),
    ),
    Meant(
        "an error of the caller's is no internal error",
        ("an immense dimension",),
        ("status INVALID_ARGUMENT, not INTERNAL",),
    ),
    Meant(
        "a model that is none is not found",
        ("load a model *that is none", "load a model without a name"),
        ("status NOT_FOUND, not INTERNAL",),
    ),
    Meant(
        "models are not sent with a request to load one",
        ("load with a configuration that is none",),
        ("status UNIMPLEMENTED, not INTERNAL",),
    ),
    Meant("there is no shared memory", ("register a region",), ("status UNIMPLEMENTED, not INTERNAL",)),
]
