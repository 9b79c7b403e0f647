"""Networks of PyTorch, taken over from their state: the same outputs, and the same steps of training from there."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from layerwise import SGD, InvalidInput, LeakyReLU, Plan, fit
from layerwise.imports import from_torch

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 40)

# a module of PyTorch for each activation that both have, ours, and what it computes on its way
ACTIVATIONS = [
    (nn.Identity, "identity"),
    (nn.Sigmoid, "sigmoid"),
    (nn.Tanh, "tanh"),
    (nn.ReLU, "relu"),
    (lambda: nn.LeakyReLU(0.2), LeakyReLU(0.2)),
    (nn.LeakyReLU, "leaky_relu"),
    (nn.ELU, "elu"),
    (nn.SELU, "selu"),
    (lambda: nn.GELU(approximate="tanh"), "gelu"),
    (nn.SiLU, "silu"),
    (nn.Softplus, "softplus"),
    (nn.PReLU, "relu"),
    (lambda: nn.PReLU(5), "prelu"),
]


def moved(module):
    """`module` in evaluation, every number of it moved from where it begins."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) if name.endswith("running_var") else 0.3 * torch.randn_like(tensor))
    return module.eval()


def assert_same(module, model, *, softmax=True):
    with torch.no_grad():
        scores = module(torch.from_numpy(X).to(next(module.parameters()).dtype))
    np.testing.assert_allclose(model.outputs(X), scores.numpy(), rtol=0, atol=1e-5)
    if softmax:
        np.testing.assert_allclose(model.predict_proba(X), torch.softmax(scores, 1).numpy(), rtol=0, atol=1e-5)
        assert model.predict(X).tolist() == scores.argmax(1).tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("theirs", "ours"), ACTIVATIONS)
def test_an_activation(theirs, ours, dtype):
    module = moved(nn.Sequential(nn.Linear(6, 5), theirs(), nn.Linear(5, 5), theirs(), nn.Linear(5, 3)).to(dtype))

    model = from_torch(module.state_dict(), activation=ours, loss="softmax_cross_entropy")

    assert model.dtype == (np.float32 if dtype == torch.float32 else np.float64)
    assert_same(module, model)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
def test_batch_normalisation(epsilon, bias, affine):
    module = moved(
        nn.Sequential(
            nn.Linear(6, 5, bias=bias),
            nn.BatchNorm1d(5, eps=epsilon, affine=affine),
            nn.SiLU(),
            nn.Dropout(0.5),
            nn.Linear(5, 5, bias=bias),
            nn.BatchNorm1d(5, eps=epsilon, affine=affine),
            nn.PReLU(5),
            nn.Linear(5, 3),
        )
    )

    model = from_torch(module.state_dict(), activation=["silu", "prelu"], loss="softmax_cross_entropy", epsilon=epsilon)

    assert_same(module, model)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_layer_normalisation(epsilon):
    module = moved(nn.Sequential(nn.Linear(6, 5, bias=False), nn.LayerNorm(5, eps=epsilon), nn.ReLU(), nn.Linear(5, 3)))

    assert_same(module, from_torch(module.state_dict(), loss="softmax_cross_entropy", epsilon=epsilon))


def test_modules_by_name():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.slope = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.PReLU()
            self.head = nn.Sequential(OrderedDict(out=nn.Linear(5, 1)))

        def forward(self, x):
            return self.head(self.slope(self.norm(self.first(x))))

    module = moved(Net())

    model = from_torch(module.state_dict(), loss="sigmoid_cross_entropy", labels=["no", "yes"])

    assert_same(module, model, softmax=False)
    with torch.no_grad():
        p = torch.sigmoid(module(torch.from_numpy(X)))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1:], p.numpy(), rtol=0, atol=1e-5)


def test_training_goes_on_as_it_does_there():
    module = moved(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double())
    model = from_torch(module.state_dict(), activation="tanh", loss="softmax_cross_entropy")
    before = model.parameters.copy()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)

    list(fit(model, X, Y, plan=Plan(optimizer=SGD(0.1), batch_size=40, epochs=5, shuffle=False)))
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(X).double()), torch.from_numpy(Y)).backward()
        optimizer.step()

    assert np.abs(model.parameters - before).max() > 1e-3
    for name, theirs in (("layer0/weight", module[0].weight.T), ("layer1/bias", module[2].bias)):
        np.testing.assert_allclose(model.weights[name], theirs.detach().numpy(), rtol=0, atol=1e-9)


def test_a_tensor_that_records_gradients_is_told():
    weight = torch.ones(3, 6, requires_grad=True)

    with pytest.raises(InvalidInput, match=r"state\.0\.weight: expected an array that NumPy reads: .*detach"):
        from_torch({"0.weight": weight}, loss="hinge")
