"""The storage seams in this process, when Poetry is not as expected."""

from __future__ import annotations

import os
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from poetry_publish_verified.guard.seams.replacement import Seam
from poetry_publish_verified.guard.seams.storage import SEAMS, atomic_storage


@pytest.fixture
def loaded() -> None:
    """Poetry's modules, as a command loads them."""
    with warnings.catch_warnings():
        # Warnings of Poetry's dependencies are not ours to fix.
        warnings.simplefilter("ignore")
        import poetry.console.application
        import poetry.console.commands.install  # noqa: F401


def altered(function: types.FunctionType, code: types.CodeType) -> types.FunctionType:
    """The same function with other code."""
    closure = function.__closure__
    made = types.FunctionType(code, function.__globals__, function.__name__, closure=closure)
    made.__module__ = function.__module__
    return made


def _renamed_parameter(function: types.FunctionType) -> Any:
    names = ("other", *function.__code__.co_varnames[1:])
    return altered(function, function.__code__.replace(co_varnames=names))


def _another_parameter(function: types.FunctionType) -> Any:
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = (*code.co_varnames[:count], "more", *code.co_varnames[count:])
    changed = code.replace(
        co_varnames=names, co_nlocals=len(names), co_kwonlyargcount=code.co_kwonlyargcount + 1
    )
    return altered(function, changed)


def _other_code(function: types.FunctionType) -> Any:
    return altered(function, function.__code__.replace(co_names=()))


def _somebody_elses(function: types.FunctionType) -> Any:
    made = altered(function, function.__code__)
    made.__module__ = "another_plugin"
    return made


def _no_function(_: types.FunctionType) -> Any:
    return staticmethod(print)


_CHANGES = [
    (seam, change)
    for seam in SEAMS
    for change in (
        *((_other_code,) if seam.uses else ()),
        *(() if seam.may_take_more else (_another_parameter,)),
        _renamed_parameter,
        _somebody_elses,
        _no_function,
    )
]


def no_lock(*_: Path) -> AbstractContextManager[bool]:
    """Nothing is downloaded here."""
    return nullcontext(True)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(("seam", "change"), _CHANGES)
def test_unexpected_attribute_is_left_alone(
    seam: Seam, change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is checked separately; the others are replaced and restored."""
    stock = getattr(seam.find_owner(), seam.name)
    changed = property(change(stock.fget)) if isinstance(stock, property) else change(stock)
    monkeypatch.setattr(seam.find_owner(), seam.name, changed)
    before = [getattr(one.find_owner(), one.name) for one in SEAMS]
    with atomic_storage(no_lock) as left:
        (reason,) = left
        assert reason.startswith(str(seam))
        during = [getattr(one.find_owner(), one.name) for one in SEAMS]
    same = [one for one, was, now in zip(SEAMS, before, during, strict=True) if was is now]
    assert same == [seam]
    assert [getattr(one.find_owner(), one.name) for one in SEAMS] == before


@pytest.mark.usefixtures("loaded")
def test_missing_module_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is not loaded is named, and stays unloaded."""
    monkeypatch.delitem(sys.modules, "poetry.installation.chef")
    with atomic_storage(no_lock) as left:
        assert left == ["Chef._prepare is missing"]
        assert "poetry.installation.chef" not in sys.modules


@pytest.mark.usefixtures("loaded")
def test_restored_after_an_error() -> None:
    """However the command ends, Poetry's attributes are restored, inherited ones too."""
    from poetry.toml.file import TOMLFile

    before = [getattr(one.find_owner(), one.name) for one in SEAMS]

    def interrupted() -> None:
        with atomic_storage(no_lock):
            with atomic_storage(no_lock) as left:
                # A command that is called by another command.
                assert left == []
            assert "write" in vars(TOMLFile)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [getattr(one.find_owner(), one.name) for one in SEAMS] == before
    assert "write" not in vars(TOMLFile)


@pytest.mark.usefixtures("loaded")
def test_foreign_replacement_is_kept() -> None:
    """A replacement made during the command is not overwritten at its end."""
    from poetry.utils.cache import FileCache

    stock = vars(FileCache)["forget"]
    with atomic_storage(no_lock):
        type.__setattr__(FileCache, "forget", os.getpid)
    assert vars(FileCache)["forget"] is os.getpid
    type.__setattr__(FileCache, "forget", stock)
    assert [seam.mismatch() for seam in SEAMS] == [None] * len(SEAMS)
