"""How to train: the plan, and defaults for the settings that it leaves open."""

from layerwise.plan.class_weight import ClassWeights, label_text
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.plan.plan import MOST_SEED, Plan

__all__ = ["MOST_SEED", "ClassWeights", "EarlyStopping", "Plan", "label_text"]
