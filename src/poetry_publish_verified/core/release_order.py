"""Projects of one repository: their dependencies, their order, and what is wrong with them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import valid_requirement
from poetry_publish_verified.core.problems import workspace as problems
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.values import Value


class WorkspaceMember(Value):
    """One of several projects: what it would release, from which directory, and what it needs.

    `requires` are its Requires-Dist, extras included and groups not; `builds_with` its
    `build-system.requires`, both as written (PEP 508).
    """

    name: NormalizedName
    version: Version
    directory: str
    requires: tuple[str, ...] = ()
    builds_with: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class LeftOut(Value):
    """A directory whose project is not published, and why: `publish = false`."""

    directory: str
    reason: str

    def __str__(self) -> str:
        return f"{self.directory} is left out ({self.reason})"


def requirements(texts: Iterable[str]) -> list[Requirement]:
    """The valid ones; preflight reports the others, which it sees in the files."""
    return [found for text in texts if (found := valid_requirement(text)) is not None]


Needs = Mapping[NormalizedName, tuple[NormalizedName, ...]]
"""By member, those members that it needs directly, in order of their names."""


def needs(members: Iterable[WorkspaceMember]) -> Needs:
    """Which member needs which, under any marker or extra: somebody may use each."""
    members = tuple(members)
    known = {member.name for member in members}
    return {
        member.name: tuple(
            sorted(
                {canonicalize_name(each.name) for each in requirements(member.requires)}
                & known - {member.name}
            )
        )
        for member in members
    }


def in_order(members: Iterable[WorkspaceMember]) -> tuple[WorkspaceMember, ...]:
    """Every member after all that it needs, otherwise by name.

    Raises CycleError, whose second argument is the cycle, as graphlib does.
    """
    by_name = {member.name: member for member in members}
    sorter = TopologicalSorter(needs(by_name.values()))
    sorter.prepare()
    found: list[WorkspaceMember] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += [by_name[name] for name in ready]
        sorter.done(*ready)
    return tuple(found)


def all_needed(name: NormalizedName, direct: Needs) -> frozenset[NormalizedName]:
    """All that a member needs, directly or indirectly."""
    found: set[NormalizedName] = set()
    waiting = list(direct[name])
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += direct[each]
    return frozenset(found)


def faults(members: Sequence[WorkspaceMember]) -> list[Problem]:
    """What keeps these from being released together, as far as is known without an index."""
    return [*_doubles(members), *_cycles(members), *_of_builds(members), *_of_paths(members)]


def _doubles(members: Sequence[WorkspaceMember]) -> Iterator[Problem]:
    directories: dict[NormalizedName, list[str]] = defaultdict(list)
    for member in members:
        directories[member.name].append(member.directory)
    for name, places in sorted(directories.items()):
        if len(places) > 1:
            yield problems.same_name(name, sorted(places))


def _cycles(members: Sequence[WorkspaceMember]) -> Iterator[Problem]:
    try:
        in_order(members)
    except CycleError as error:
        # graphlib gives each one before what needs it.
        yield problems.cycle(list(reversed(error.args[1])))


def _of_builds(members: Sequence[WorkspaceMember]) -> Iterator[Problem]:
    known = {member.name for member in members}
    for member in members:
        names = {canonicalize_name(each.name) for each in requirements(member.builds_with)}
        for name in sorted(names & known - {member.name}):
            yield problems.built_with_member(member.name, name)


def _of_paths(members: Sequence[WorkspaceMember]) -> Iterator[Problem]:
    for member in members:
        for requirement in requirements(member.requires):
            if requirement.url is not None and requirement.url.lower().startswith("file:"):
                yield problems.path_dependency(member.name, requirement.name, str(requirement))


def needing(members: Iterable[WorkspaceMember], left_out: WorkspaceMember) -> Iterator[Problem]:
    """A warning for each member that needs one that is not published with it."""
    for member in members:
        if left_out.name in {canonicalize_name(r.name) for r in requirements(member.requires)}:
            yield problems.needs_left_out(str(member), left_out.name, left_out.directory)


def unsatisfied(
    members: Iterable[WorkspaceMember], there: Mapping[NormalizedName, frozenset[Version]]
) -> Iterator[Problem]:
    """Dependencies between members that no available version will satisfy.

    `there`: which versions of each member the index has already.
    """
    by_name = {member.name: member for member in members}
    for member in by_name.values():
        for requirement in requirements(member.requires):
            other = by_name.get(canonicalize_name(requirement.name))
            if other is None or requirement.url is not None:
                continue
            # Installers take a pre-release where nothing else is left (PEP 440).
            versions = {other.version, *there.get(other.name, frozenset())}
            if not any(requirement.specifier.contains(each, prereleases=True) for each in versions):
                yield problems.range_unsatisfied(
                    str(member),
                    member.directory,
                    requirement=str(requirement),
                    other=other.name,
                    version=str(other.version),
                )
