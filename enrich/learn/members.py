"""Which classifiers a model is made of and with which settings: what `[train]` says, by the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from enrich.classifiers.base import Classifier, ClassifierError
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.registry import BACK_ENDS, DEFAULTS, classifier_class, classifier_names
from enrich.classifiers.settings import merged
from enrich.errors import SettingsError
from enrich.learn.text_back_end import OTHERS

if TYPE_CHECKING:
    from enrich.workspace import Workspace

AUTO = "auto"
"""The back end of the modality text that is decided on the training records; see `text_back_end`."""
_SHARED = ("gamma", "hide_known")
"""Settings of `[train]` that reach the classifiers which take them."""


def member_specs(workspace: Workspace, asked: Sequence[str]) -> tuple[MemberSpec, ...]:
    """The members for these modalities or classifiers. Raises SettingsError, which names the wrong key."""
    known = [*DEFAULTS, *(name for name in classifier_names() if name not in DEFAULTS)]
    for name in asked:
        if name not in known:
            raise SettingsError(f"train.modalities names {name!r}; there are: {', '.join(known)}")
    for table in workspace.settings.train.options:
        if table not in (*known, "fusion"):
            there = ", ".join([*known, "fusion"])
            raise SettingsError(f"train.options.{table} belongs to nothing that learns; there are: {there}")
    try:
        members = tuple(_member(workspace, name) for name in asked)
        _refuse_twins(asked, members)
        _refuse_idle(workspace, {*asked, *workspace.settings.train.modalities} & set(known))
    except ClassifierError as error:
        raise SettingsError(str(error)) from error
    return members


def back_end_member(workspace: Workspace, asked: str, back_end: str) -> MemberSpec:
    """The member of one back end of a modality. Raises ClassifierError.

    `[train.options.MODALITY]` holds its settings, and a table within that is called like the back end those
    that are of that one alone: so changing the back end changes one line.
    """
    _, options, tables = _choice(workspace, asked)
    folds, where = _folds(options, asked), f"train.options.{asked}"
    kind = _class_of(asked, back_end)
    settings = kind.training_settings(
        merged(options, tables.get(back_end, {})), _shared(workspace), workspace.settings.folder, where
    )
    return MemberSpec(kind.name, settings, folds, kind.fold_settings)


def _member(workspace: Workspace, asked: str) -> MemberSpec:
    back_end, options, _ = _choice(workspace, asked)
    if back_end != AUTO or asked != "text":
        return back_end_member(workspace, asked, back_end)
    folds = _folds(options, asked)
    if options:
        raise SettingsError(
            f'train.options.text.{min(options)}: with back_end = "auto" say it under '
            "[train.options.text.tfidf], [train.options.text.sentences] or [train.options.text.transformer]"
        )
    return MemberSpec(AUTO, {}, folds)


def _folds(options: dict[str, Any], asked: str) -> int | None:
    """A member's own number of folds, taken out of its options; None where they give none. Raises SettingsError."""
    folds = options.pop("folds", None)
    if folds is not None and (type(folds) is not int or folds < 2):
        raise SettingsError(f"train.options.{asked}.folds is {folds!r}; it is a whole number from 2 on")
    return folds


def _choice(workspace: Workspace, asked: str) -> tuple[str, dict[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The back end of a modality, its options, and the tables of single back ends."""
    options = dict(workspace.settings.train.options.get(asked, {}))
    if isinstance(options.get("soup"), str):  # short for back_end = "soup" with this folder
        options["folder"] = options.pop("soup")
        return "soup", options, {}
    names = {*classifier_names(), *BACK_ENDS} & {k for k, v in options.items() if isinstance(v, Mapping)}
    tables = {name: options.pop(name) for name in names}
    back_end = str(options.pop("back_end", DEFAULTS.get(asked, asked)))
    return back_end, options, tables


def _class_of(asked: str, back_end: str) -> type[Classifier]:
    where = f"train.options.{asked}.back_end"
    try:
        kind = classifier_class(BACK_ENDS.get(back_end, back_end))
    except ClassifierError as error:
        raise ClassifierError(f"{where}: {error}") from error
    if asked in DEFAULTS and kind.modality != asked:
        raise ClassifierError(f"{where}: {back_end} is a classifier of the modality {kind.modality}")
    return kind


def _shared(workspace: Workspace) -> dict[str, Any]:
    train = workspace.settings.train
    return {name: getattr(train, name) for name in _SHARED} | {"museum": workspace.profile.museum or None}


def _refuse_twins(asked: Sequence[str], members: Sequence[MemberSpec]) -> None:
    """Two classifiers of one modality are a mistake: a model has one of each."""
    named: dict[str, str] = {}
    for name, member in zip(asked, members, strict=True):
        modality = "text" if member.classifier == AUTO else classifier_class(member.classifier).modality
        if modality in named:
            raise SettingsError(
                f"train.modalities names {named[modality]} and {name}, both of the modality {modality}; "
                "a model has one of each"
            )
        named[modality] = name


def _refuse_idle(workspace: Workspace, names: set[str]) -> None:
    """A setting of `[train]` that is given and that no classifier of the settings takes is a mistake."""
    given = [key for key in _SHARED if key in workspace.settings.train.model_fields_set]
    if not given:
        return
    back_ends = {_choice(workspace, name)[0] for name in sorted(names)}
    kinds = [
        classifier_class(BACK_ENDS.get(b, b))
        for b in sorted(back_ends - {AUTO} | (set(OTHERS) if AUTO in back_ends else set()))
    ]
    for key in given:
        if not any(key in kind.shared for kind in kinds):
            takes = "; ".join(f"{k.name} takes {', '.join(k.shared) or 'none of [train]'}" for k in kinds)
            raise SettingsError(f"train.{key} has no effect: {takes}. Leave it out")
