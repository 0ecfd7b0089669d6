"""The error of everything that learns."""


class ClassifierError(Exception):
    """What was wrong with a dataset, a setting or a model, in one line for a person."""


class WrongSetting(ClassifierError):
    """What a setting names, such as weights or an encoder, is not there, or does not fit what another names."""


class NothingToLearn(ClassifierError):
    """No record has what a classifier looks at and a value beside it."""


def one_line(error: BaseException, most: int = 200) -> str:
    """An error's message on one line, at most so many characters; its kind where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__
