"""What a release consists of, by the names of its files on an index."""

from collections.abc import Collection, Iterator

from poetry_publish_verified.core.distribution import ParsedFilename, recognize
from poetry_publish_verified.core.simple.page import IndexFile


def kinds(files: Collection[IndexFile]) -> frozenset[str]:
    """What a release consists of: `sdist`, `cp313-cp313-win_amd64 wheel`.

    Platforms are without versions (manylinux_2_28, macosx_11_0), which change with compilers.
    """
    parsed = (recognize(file.filename) for file in files if file.yanked is None)
    return frozenset(kind for each in parsed if each for kind in kinds_of(each))


def kinds_of(file: ParsedFilename) -> Iterator[str]:
    """Those of one file, more than one for a wheel with several tags."""
    if file.kind == "sdist":
        yield "sdist"
    for tag in file.tags:
        system, _, machine = tag.platform.partition("_")
        machine = machine.lstrip("0123456789_")
        system = system.rstrip("0123456789") if system.startswith("manylinux") else system
        # Such a wheel is for all later versions, too.
        python = "cp3" if tag.abi == "abi3" else tag.interpreter
        yield f"{python}-{tag.abi}-{'_'.join(filter(None, (system, machine)))} wheel"


def in_words(files: Collection[IndexFile]) -> str:
    """`2 wheels and an sdist`."""
    parsed = [each for each in (recognize(f.filename) for f in files if f.yanked is None) if each]
    wheels = sum(each.kind == "wheel" for each in parsed)
    words = [f"{wheels} wheel{'' if wheels == 1 else 's'}"] if wheels else []
    words += ["an sdist"] if len(parsed) > wheels else []
    return " and ".join(words)
