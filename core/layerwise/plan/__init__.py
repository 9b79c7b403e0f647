"""How to train: the plan, and the choice of its open values."""

from layerwise.plan.class_weight import ClassWeights, label_text
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.plan.plan import MOST_SEED, Plan

__all__ = ["MOST_SEED", "ClassWeights", "EarlyStopping", "Plan", "label_text"]
