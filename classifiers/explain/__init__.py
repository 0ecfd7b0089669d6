"""Why a model gave an answer.

Import `explain` from `classifiers.explain.model_explanation`, what it returns from
`classifiers.explain.explanation`, and `overlay` from `classifiers.explain.overlay` to draw a saliency map.
"""
