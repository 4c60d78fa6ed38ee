"""Replaces attributes of Poetry's for a while, each only where it is as it was when it was read."""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any, NamedTuple


class Seam(NamedTuple):
    """A method or property `module:owner.name`, and what is relied upon in versions that were read.

    `replacement(stock, context, self, …)` is called instead; `replaced` is given the context.
    """

    module: str
    owner: str
    name: str
    replacement: Callable[..., Any]
    parameters: str = ""
    """Its parameters; not checked where this is empty."""
    uses: str = ""
    """Names that its code has to use, or a stand-in for one would be ignored."""
    may_take_more: bool = False
    defined_in: str = ""
    """The module of its code, where it is inherited."""

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"

    def is_replaced(self) -> bool:
        """Whether it is replaced already: a command may call another."""
        owner = getattr(sys.modules.get(self.module), self.owner, None)
        return getattr(_function(getattr(owner, self.name, None)), "__module__", None) == __name__

    def find_owner(self) -> type:
        """The class; raises KeyError or AttributeError where it is not loaded."""
        found: type = getattr(sys.modules[self.module], self.owner)
        return found

    def mismatch(self) -> str | None:
        """How it differs from what was read, in a few words; None if it does not."""
        try:
            found = getattr(self.find_owner(), self.name)
        except (AttributeError, KeyError):
            return f"{self} is missing"
        function = _function(found)
        while getattr(function, "__module__", None) == __name__:
            function = function.__wrapped__
        home = self.defined_in or self.module
        if not isinstance(function, FunctionType) or function.__module__ != home:
            return f"{self} has been replaced"
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        expected = tuple(self.parameters.split())
        if parameters[: len(expected)] != expected:
            return f"{self} takes other arguments"
        if expected and parameters != expected and not self.may_take_more:
            return f"{self} takes more arguments"
        if unused := sorted(set(self.uses.split()) - set(code.co_names)):
            return f"{self} no longer uses {', '.join(unused)}"
        return None


def _function(attribute: Any) -> Any:
    """What a class attribute calls: that of a method or property, or itself."""
    getter = attribute.fget if isinstance(attribute, property) else attribute
    return getattr(getter, "__func__", getter)


@contextmanager
def replaced(seams: Sequence[Seam], context: Any) -> Iterator[list[str]]:
    """Replace these methods inside; yields those left as stock, in a few words each."""
    left = []
    with ExitStack() as restoring:
        for seam in seams:
            reason = seam.mismatch() or _replace(seam, context, restoring)
            if reason is not None:
                left.append(reason)
        yield left


def _replace(seam: Seam, context: Any, restoring: ExitStack) -> str | None:
    owner = seam.find_owner()
    before = vars(owner).get(seam.name)
    stock = _function(before) or getattr(owner, seam.name)

    @functools.wraps(stock)
    def ours(*args: Any, **kwargs: Any) -> Any:
        return seam.replacement(stock, context, *args, **kwargs)

    ours.__module__ = __name__
    kind = next((one for one in (classmethod, property) if isinstance(before, one)), None)
    new = kind(ours) if kind else ours
    try:
        setattr(owner, seam.name, new)
    except (AttributeError, TypeError) as error:
        return f"{seam}: {error}"
    restoring.callback(_restore, owner, seam.name, before, new)
    return None


def _restore(owner: type, name: str, before: Any, ours: Any) -> None:
    # Whoever replaced ours since restores it, or calls it.
    if vars(owner).get(name) is not ours:
        return
    if before is None:
        delattr(owner, name)
    else:
        setattr(owner, name, before)
