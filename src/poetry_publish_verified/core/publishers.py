"""Publishers of attested files: as users name them, and as certificates do."""

import re
from typing import Literal

from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

Kind = Literal["github", "gitlab", "google"]
GITLAB = "https://gitlab.com"
"""The only GitLab whose projects PyPI accepts attestations of."""
# Whom a certificate says that its identity comes from, by the kind of publisher; where its
# repositories are; and what is between a repository and the path of a workflow.
_ISSUERS: dict[Kind, str] = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": GITLAB,
    "google": "https://accounts.google.com",
}
_SITES: dict[Kind, str] = {"github": "https://github.com/", "gitlab": "https://gitlab.com/"}
_WORKFLOWS: dict[Kind, str] = {"github": "/.github/workflows/", "gitlab": "//"}
_NAMED: dict[Kind, re.Pattern[str]] = {
    "github": re.compile(
        r"([\w-]+/[\w.-]+)(?::(?:\.github/workflows/)?([\w.-]+\.ya?ml))?", re.ASCII
    ),
    "gitlab": re.compile(r"([\w.-]+(?:/[\w.-]+)+)(?::([^@:]+))?"),
    "google": re.compile(r"([^\s@:]+@[^\s@:]+)()"),
}
_FORMS = "github:owner/repo[:workflow.yml], gitlab:group/project[:config path] or google:email"


class NamedPublisher(Value):
    """A publisher as users name it: `github:octo/lantern:release.yml`.

    `name` is the repository, the project or the e-mail address. Without `workflow` (GitHub's file
    name, GitLab's path) each of the repository's will do.
    """

    kind: Kind
    name: str
    workflow: str = ""

    def __str__(self) -> str:
        return ":".join(filter(None, (self.kind, self.name, self.workflow)))


def parse_publisher(text: str) -> NamedPublisher:
    """Raises ValueError for what names no publisher, or one that PyPI accepts no attestations of.

    The error does not repeat the text.
    """
    kind, _, rest = text.partition(":")
    for known, pattern in _NAMED.items():
        if kind == known and (found := pattern.fullmatch(rest)):
            return NamedPublisher(known, found[1], found[2] or "")
    raise ValueError(f"expected {_FORMS}")


class SignerIdentity(Value):
    """Whom a certificate was issued to, in the words of Sigstore's extensions.

    `repository` and `workflow` are URLs, the latter with `@` and the ref or commit, which are also
    the `revisions`; `email` is what has no repository.
    Source: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
    """

    issuer: str
    repository: str = ""
    workflow: str = ""
    revisions: tuple[str, ...] = ()
    email: str = ""

    def __str__(self) -> str:
        """As users name publishers, where they can."""
        for kind, issuer in _ISSUERS.items():
            site = _SITES.get(kind, "")
            if issuer == self.issuer and self.repository.startswith(site):
                path = self.workflow.removeprefix(f"{self.repository}{_WORKFLOWS.get(kind, '')}")
                name = self.repository.removeprefix(site) or self.email
                return printable(str(NamedPublisher(kind, name, path.partition("@")[0])), 300)
        return printable(f"{self.repository or self.email or 'nobody'} ({self.issuer})", 300)

    def differs(self, publisher: NamedPublisher) -> str:
        """In what it differs from a publisher, in a word; empty where it is that publisher."""
        if self.issuer != _ISSUERS[publisher.kind]:
            return "issuer"
        if publisher.kind == "google":
            return "" if self.email == publisher.name else "e-mail address"
        repository = f"{_SITES[publisher.kind]}{publisher.name}"
        if self.repository != repository:
            same = self.repository.lower() == repository.lower()
            return "repository: upper and lower case differ" if same else "repository"
        file = f"{repository}{_WORKFLOWS[publisher.kind]}{publisher.workflow}"
        if publisher.workflow and self.workflow not in {f"{file}@{r}" for r in self.revisions}:
            return "workflow"
        return ""
