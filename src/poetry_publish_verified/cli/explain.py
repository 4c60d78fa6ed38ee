"""`poetry publish-verified explain`: what a code means, what is true then, and what to do."""

from pathlib import Path
from typing import ClassVar

from cleo.helpers import argument
from cleo.io.inputs.argument import Argument

from poetry_publish_verified.cli.documentation import page_of
from poetry_publish_verified.cli.options import SuggestingCommand
from poetry_publish_verified.core.problems.usage import unknown_code
from poetry_publish_verified.core.settings import closest
from poetry_publish_verified.errors import Code
from poetry_publish_verified.guard.locks import problems
from poetry_publish_verified.output.explanations import Explanation, explain, in_text
from poetry_publish_verified.output.words import escaped, problem_lines


class ExplainCommand(SuggestingCommand):
    """`poetry publish-verified explain`; works offline and outside a project."""

    name = "publish-verified explain"
    description = "Explains a code such as PV409, or lists all codes."

    arguments: ClassVar[list[Argument]] = [
        argument("code", "The code to explain. Default is to list all codes.", optional=True)
    ]

    def handle(self) -> int:
        """Print the explanation; exit code 1 for a code that does not exist."""
        given = self.argument("code")
        if not given:
            for each in Code:
                self.line(f"<c1>{each}</c1>  {escaped(each.meaning)}")
            return 0
        wanted = given.strip().upper()
        wanted = f"PV{wanted}" if wanted.isdecimal() else wanted
        code = next((each for each in Code if each == wanted), None)
        if code is None:
            problem = unknown_code(given, closest(wanted.replace("O", "0"), Code))
            for line in problem_lines(problem):
                self.line_error(line)
            return 1
        found = explained(code)
        self.line(f"<c1>{code}</c1>: {escaped(code.meaning)}")
        for heading, text in in_text(found):
            self.line(f"\n<info>{heading}</info>\n  {escaped(text)}")
        if page_of(code):
            self.line(f"\n{escaped(page_of(code))}")
        return 0


def explained(code: Code) -> Explanation:
    """The explanation of a code, with those of the guard."""
    release, lock = "the release of lantern to this repository", Path("/srv/lantern/release")
    holder = "`poetry publish-verified` (process 4711 on build-7, another host or container)"
    busy = f"{release} was not free within 900 s; in use by {holder}."
    return explain(
        code,
        (
            problems.lock_not_free(busy, problems.break_if_gone("build-7", lock), is_nested=False),
            problems.lock_not_free(busy, "", is_nested=True),
            problems.lock_unavailable(f"{release} cannot be locked: No locks available."),
            problems.lock_lost(release, lock, holder),
            problems.lock_broken(release, holder, 7260.0, lock.with_name("release.broken-4f1e")),
            problems.locks_of_one_host("nfs at /srv", "nolock"),
        ),
    )
