"""The registry names what exists, and says so when it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.registry import classifier_class, fuser_class


def test_names_resolve_to_classes_that_call_themselves_so() -> None:
    assert classifier_class("dummy").name == "dummy"
    assert classifier_class("tabular").modality == "tabular"
    assert fuser_class("pass-through").name == "pass-through"


def test_an_unknown_name_is_a_sentence_that_lists_the_known_ones() -> None:
    with pytest.raises(ClassifierError, match=r"no classifier called 'oracle'; there are: .*tabular"):
        classifier_class("oracle")
    with pytest.raises(ClassifierError, match="no fusion called 'nuclear'"):
        fuser_class("nuclear")


def test_a_module_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("enrich.classifiers.registry", fromlist=["x"]).CLASSIFIERS, "odd", "no_such_module:X"
    )
    with pytest.raises(ClassifierError, match="the module 'no_such_module' is not installed"):
        classifier_class("odd")


def test_importing_the_registry_imports_no_back_end() -> None:
    code = "import sys, classifiers.registry; print([m for m in ('torch', 'xgboost', 'sklearn') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
