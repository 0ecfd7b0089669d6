"""The tabular classifier: gradient-boosted trees with focal loss.

Ask `classifiers.registry` for it by its name; `classifiers.tabular.focal_loss` holds the loss with its
derivatives, `classifiers.tabular.features` the columns.
"""
