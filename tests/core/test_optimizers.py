"""Optimisers against their papers' formulas, number by number."""

import numpy as np
import pytest

from layerwise import SGD, Adam

SIZES = [1, 3, 40_000]  # the last needs several chunks


def steps(optimizer, gradients, start):
    parameters = start.copy()
    state = optimizer.init(parameters)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.update(parameters, gradient.copy(), state, rate=optimizer.learning_rate, step=step, scratch=np.empty(20_000))
    return parameters


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_moves_by_its_velocity(size, momentum):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=size), rng.normal(size=(4, size))

    found = steps(SGD(0.1, momentum), gradients, start)

    p, v = start, 0
    for g in gradients:
        v = momentum * v + g
        p = p - 0.1 * v
    np.testing.assert_allclose(found, p, rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_adam_is_algorithm_1_of_its_paper(size):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=size), rng.normal(size=(5, size))

    found = steps(Adam(0.1, 0.8, 0.95, 1e-3), gradients, start)

    p, m, v = start, 0, 0
    for t, g in enumerate(gradients, start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g**2
        p = p - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
    np.testing.assert_allclose(found, p, rtol=1e-10)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate():
    found = steps(Adam(0.01), np.array([[1e-3, -50.0]]), np.zeros(2))

    np.testing.assert_allclose(found, [-0.01, 0.01], rtol=1e-4)
