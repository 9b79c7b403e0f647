"""The names that users may import."""

import layerwise

NAMES = """
    MLP Architecture Layer Plan EarlyStopping fit partial_fit Training TrainingState Record Finding LayerHealth Loss
    fit_packed PackedTraining PackedRecord kernels_in_use
    Summary gradient_check GradientCheck metric_name
    ELU GELU SELU SiLU Softplus Constant Orthogonal
    Identity Sigmoid Tanh ReLU LeakyReLU PReLU Maxout
    SGD Adagrad RMSprop Adadelta Adam AdamW NAdam LBFGS find_learning_rate RateFinding
    StepDecay ExponentialDecay InverseTimeDecay PolynomialDecay CosineDecay OneCycle ReduceOnPlateau
    SoftmaxCrossEntropy SigmoidCrossEntropy Hinge SquaredHinge
    SquaredError AbsoluteError Huber Quantile Poisson Gamma Tweedie
    InvalidInput Diverged CorruptModel
    TableEncoder Encoding Standardize MinMax Quantiles Log Unscaled OneHot Ordinal Hashing DateParts
"""


def test_the_public_names_are_exactly_these():
    assert sorted(layerwise.__all__) == sorted(NAMES.split())
    assert all(hasattr(layerwise, name) for name in layerwise.__all__)
