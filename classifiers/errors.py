"""The error of everything that learns."""


class ClassifierError(Exception):
    """What was wrong with a dataset, a setting or a model, in one line for a person."""
