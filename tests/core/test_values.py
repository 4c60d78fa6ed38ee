"""Values against what `dataclass` itself makes of the same fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest

from poetry_publish_verified.values import Value


class Parcel(Value):
    """One of each kind of field."""

    name: str
    token: str = field(default="", repr=False)
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    remark: str = field(default="", compare=False)


@dataclass(frozen=True)
class Model:
    """The same, made by `dataclass`."""

    name: str
    token: str = field(default="", repr=False)
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    remark: str = field(default="", compare=False)


class Crate(Value, kw_only=True):
    """Of the same name and contents as nothing else."""

    name: str


class Labelled(Crate, kw_only=True):
    """One with more fields."""

    label: str = "none"


_OTHERS: list[dict[str, Any]] = [
    {},
    {"token": "secret"},
    {"headers": {"a": "b"}},
    {"remark": "fragile"},
    {"name": "other"},
]


@pytest.mark.parametrize("changed", _OTHERS)
def test_value_behaves_as_the_dataclass(changed: dict[str, Any]) -> None:
    """Equality, hash, repr and the functions of `dataclasses` are those of a frozen dataclass."""
    parcel, model = Parcel("a"), Model("a")
    other, likewise = replace(parcel, **changed), replace(model, **changed)
    assert (parcel == other) is (model == likewise)
    assert (hash(parcel) == hash(other)) is (hash(model) == hash(likewise))
    assert repr(other) == repr(likewise).replace("Model", "Parcel")
    assert asdict(other) == asdict(likewise)


def test_values_of_other_classes_are_never_equal() -> None:
    """Neither those with the same fields, nor those of a subclass."""
    assert Parcel("a") != Model("a")
    assert Crate(name="a") != Labelled(name="a")
    assert Labelled(name="a") == Labelled(name="a", label="none")
    with pytest.raises(TypeError):
        Crate("a")  # type: ignore[call-arg]
