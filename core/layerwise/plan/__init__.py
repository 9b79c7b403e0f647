"""How to train: the plan, and the rules that fill in what it leaves open."""

from layerwise.plan.early_stopping import EarlyStopping
from layerwise.plan.plan import MOST_SEED, ClassWeights, Plan, label_text

__all__ = ["MOST_SEED", "ClassWeights", "EarlyStopping", "Plan", "label_text"]
