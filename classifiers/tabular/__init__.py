"""The tabular classifier: gradient-boosted trees with focal loss."""
