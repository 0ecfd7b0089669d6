"""The text classifier without pretrained weights: TF-IDF columns and linear machines.

Ask `classifiers.registry` for it by its name; the fusion uses its `features` and `linear`.
"""
