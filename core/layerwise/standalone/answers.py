"""Source code of `predict` and `predict_proba`."""

from layerwise.model import MLP
from layerwise.standalone.layers import Functions

SOFTMAX = """\
def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""
LOG_SIGMOID = '''\
def log_sigmoid(s):
    """Return log(1 / (1 + exp(-s))), computed without overflow."""
    return -np.logaddexp(0.0, -s)
'''


def answers_source(model: MLP) -> tuple[str, Functions]:
    """Return the source of `predict` and, if the network gives probabilities, `predict_proba`; and what they call."""
    called: Functions = {}
    source = _predict(model)
    if model.gives_probabilities:
        source += "\n\n" + _predict_proba(model, called)
    return source, called


def _predict(model: MLP) -> str:
    k, loss = model.architecture.outputs, model.plan.loss if model.plan else None
    if model.is_classifier:
        chosen = "outputs(X).argmax(axis=1)" if k > 1 else "(outputs(X)[:, 0] > 0).astype(int)"
        return _function("predict", "Return the label of each row of `X`, (n,).", f"np.array(LABELS)[{chosen}]")
    if loss is not None and loss.targets == "flags":
        return _function(
            "predict", "Return the flags of each row of `X`, (n, k) of 0 and 1.", "(outputs(X) > 0).astype(int)"
        )
    flat = k == 1 and loss is not None
    shape = "(n,)" if flat else f"(n, {k})"
    description = f"Return the predicted values for the rows of `X`, {shape}."
    column = "[:, 0]" if flat else ""
    if loss is None or loss.link != "exp":
        return _function("predict", description, f"outputs(X){column}")
    return (
        f'def predict(X):\n    """{description}"""\n'
        '    with np.errstate(over="ignore"):  # values that overflow become the largest number\n'
        f"        return np.minimum(np.exp(outputs(X){column}), np.finfo(DTYPE).max)\n"
    )


def _predict_proba(model: MLP, called: Functions) -> str:
    assert model.plan is not None
    if model.plan.loss.link == "softmax":
        called["softmax"] = SOFTMAX
        value = "softmax(outputs(X))"
    elif model.labels is None:
        called["log_sigmoid"] = LOG_SIGMOID
        value = "np.exp(log_sigmoid(outputs(X)))"
    elif model.architecture.outputs > 1:
        called |= {"log_sigmoid": LOG_SIGMOID, "softmax": SOFTMAX}
        value = "softmax(log_sigmoid(outputs(X)))"
    else:
        called["log_sigmoid"] = LOG_SIGMOID
        return (
            'def predict_proba(X):\n    """Return the probability of each label for the rows of `X`, (n, 2)."""\n'
            "    s = outputs(X)\n"
            "    return np.exp(log_sigmoid(np.hstack([-s, s])))\n"
        )
    what = "label" if model.labels is not None else "flag"
    k = model.architecture.outputs
    return _function("predict_proba", f"Return the probability of each {what} for the rows of `X`, (n, {k}).", value)


def _function(name: str, description: str, value: str) -> str:
    return f'def {name}(X):\n    """{description}"""\n    return {value}\n'
