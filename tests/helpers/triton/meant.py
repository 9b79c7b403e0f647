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


CONFIGURATIONS = ("configuration of the model*", "configuration of the version", "configuration of a table's model")
BATCHES = tuple(
    f"batch_stats.?.{stage}.count is missing" for stage in ("compute_input", "compute_infer", "compute_output")
)

# Over both protocols.
SHARED = [
    Meant(
        "the server's name, version and extensions are its own",
        ("metadata of the server", "metadata of the server, with a query"),
        ("*name is 'layerwise', not 'triton'", "*version is *", "*extensions is *"),
    ),
    Meant(
        "our networks are computed by ourselves",
        ("metadata of the model", "metadata of the version", "metadata of a table's model", "metadata of a regression"),
        ("*platform is 'layerwise', not 'python'",),
    ),
    Meant(
        "our models have no files to name, each version is served, and memory limits the rows",
        CONFIGURATIONS,
        (
            "*backend is 'layerwise', not 'python'",
            "*platform *",
            "*default_model_filename *",
            "*output.0.label_filename *",
            "*version_policy.latest is missing",
            "*version_policy.all is new",
            "*max_batch_size is *, not 1024",
        ),
    ),
    Meant(
        "nothing is counted by the size of batches, of which callers choose as many as they like",
        ("what *row* add* to the statistics", "what a stream adds *", "what four requests add *"),
        BATCHES,
    ),
    Meant(
        "the same",
        ("statistics of the model", "statistics of the version"),
        ("1: *model_stats.0.batch_stats is [[]], not *",),
    ),
    Meant(
        "a request that is refused after its version was found is a failure of that version",
        ("what a wrong shape adds to the statistics", "what an unknown output adds to the statistics"),
        ("inference_stats.fail.count is new",),
    ),
    Meant(
        "classes are named whichever output of the classes is asked for",
        ("classification of the logits",),
        ("*.0 is 'value:index:label', not 'value:index'", "*.1 is 'value:index:label', not 'value:index'"),
    ),
]

REST_MEANT = [
    *SHARED,
    Meant("the same", ("statistics of all models",), ("body.model_stats.0.batch_stats is [[]], not *",)),
    Meant(
        "the protocol, unlike Triton, has bodies for them",
        ("the server is live", "the server is ready", "the model is ready", "the version is ready"),
        ("headers is new", "body is {*}, not None"),
    ),
    Meant("a slash at the end is forgiven", ("metadata of the *, with a slash",), ("status 200, not 404",)),
    Meant("we warn of a category that the training did not have", ("a text beyond ASCII",), ("*parameters is new",)),
    Meant(
        "a table may lack a number, which JSON cannot say otherwise",
        ("null among a column of numbers",),
        ("status 200, not 500",),
    ),
    Meant("KServe lists models there", ("the list of models",), ("status 200, not 404",)),
    Meant("HEAD is GET without a body", ("HEAD the metadata of the server",), ("status 200, not 405",)),
    Meant(
        "memory is not pinned for a GPU",
        (*CONFIGURATIONS, "configuration of a regression"),
        ("*input_pinned_memory.enable is False, not True", "*output_pinned_memory.enable is False, not True"),
    ),
    Meant(
        "the same as of other models, whose outputs have labels",
        ("configuration of a regression",),
        (
            "*backend is *",
            "*platform is *",
            "*default_model_filename is *",
            "*version_policy.*",
            "*max_batch_size is *",
        ),
    ),
    Meant(
        "a version that is neither a number nor an alias is none",
        ("a version that is no number*",),
        ("status 400, not 404",),
    ),
    Meant(
        "an object is expected",
        ("index with a list", "load with a list", "settings of the log are a list"),
        ("status 400, not 200",),
    ),
    Meant("a model that is none is not found", ("load a model that is none",), ("status 404, not 500",)),
    Meant(
        "models are not sent with a request to load one",
        ("load with a configuration that is *", "load a file without a configuration"),
        ("status 501, not 500",),
    ),
    Meant("a wrong value is the caller's error", ("the log's format is none",), ("status 400, not 503",)),
    Meant("there is no shared memory", ("register a region",), ("status 501, not 500",)),
    Meant(
        "numbers that are none, or that float32 does not hold, are refused",
        ("NaN", "Infinity", "a number beyond float32", "bytes of NaN"),
        ("status 400, not 200",),
    ),
    Meant(
        "a datatype that converts without loss is taken",
        ("datatype FP64", "datatype INT32", "datatype BOOL", "bytes of FP16"),
        ("status 200, not 400",),
    ),
    Meant("max_batch_size is what memory allows", ("more rows than max_batch_size",), ("status 200, not 400",)),
    Meant(
        "the default of all outputs, as the extension says",
        ("all outputs as bytes but one",),
        ("headers.content-type is *", "body.outputs.probabilities.*"),
    ),
    Meant("aliases are versions too", ("version latest",), ("status 200, not 404",)),
    Meant("a number that is no version is not found", ("version 99999999999999999999",), ("status 404, not 400",)),
    Meant(
        "JSON is UTF-8 without a byte order mark",
        ("JSON with a byte order mark", "bytes that are no UTF-8"),
        ("status 400, not 200",),
    ),
    Meant("of two values of a key the last counts", ("a key twice",), ("body.id is 'b', not 'a'",)),
    Meant(
        "a compression is what it is called",
        ("gzip that is called deflate", "deflate that is called gzip"),
        ("status 400, not 200",),
    ),
    Meant("an unknown compression is the caller's error", ("an unknown compression",), ("status 4??, not 501",)),
    Meant(
        "a short answer is not compressed",
        ("an answer as *", "bytes as gzip", "a large answer as deflate"),
        ("headers.content-encoding is missing",),
    ),
    Meant("a column needs no second dimension", ("columns without their second dimension",), ("status 200, not 400",)),
    Meant("texts are UTF-8", ("texts that are no UTF-8",), ("status 400, not 200",)),
]

RPC_MEANT = [
    *SHARED,
    Meant("NaN is refused", ("NaN",), ("status INVALID_ARGUMENT, not OK",)),
    Meant(
        "a datatype that converts without loss is taken",
        ("datatype FP16", "datatype INT32, typed"),
        ("status OK, not INVALID_ARGUMENT",),
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
        "a number that is no version is not found",
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
