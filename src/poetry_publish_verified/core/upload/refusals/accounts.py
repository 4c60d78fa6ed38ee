"""Refusals for who sends: accounts, tokens, rights, and what is closed to everybody."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import LATER
from poetry_publish_verified.core.upload.refusals.row import SAME
from poetry_publish_verified.core.upload.refusals.row import SET_TOKEN
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

ACCOUNT = (
    Row(
        Code.CLOSED,
        (403,),
        ("Read-only mode:", "uploads are temporarily disabled"),
        "the index takes no uploads at the moment",
        LATER,
        again="later",
    ),
    Row(
        Code.NEW_PROJECTS_CLOSED,
        (403,),
        ("New project registration temporarily",),
        "the index takes no new projects at the moment",
        LATER,
        again="later",
    ),
    Row(
        Code.TOO_MANY_NEW_PROJECTS,
        (429,),
        ("Too many new projects created",),
        "this account, or this address, has made as many new projects as the index allows for now",
        f"Wait until the limit is reset and {SAME}. A project that is there already can be"
        " published at once.",
        again="after-reset",
    ),
    Row(
        Code.EMAIL_NOT_VERIFIED,
        (400, 403),
        ("verified primary email",),
        "the primary e-mail address of the account that the token belongs to is not verified",
        "Log in as that account, verify its primary e-mail address on {account}, and simply"
        f" {SAME}: nothing has to be changed or built again.",
    ),
    Row(
        Code.TWO_FACTOR_MISSING,
        (403,),
        ("two-factor authentication enabled",),
        "the account that the token belongs to has no two-factor authentication",
        "Log in as that account, turn on two-factor authentication on {two_factor}, and"
        f" {SAME}; the token stays as it is.",
    ),
    Row(
        Code.CREDENTIALS_REFUSED,
        (403,),
        ("Invalid or non-existent authentication",),
        "the token or password is wrong or was deleted, or the account is disabled",
        f"Make a new token on {{tokens}}, store it with {SET_TOKEN}, and {SAME}. Look also"
        " whether POETRY_PYPI_TOKEN_<REPOSITORY> or POETRY_HTTP_BASIC_<REPOSITORY>_PASSWORD holds"
        " an older one: they come first.",
    ),
    Row(
        Code.PASSWORD_NOT_TAKEN,
        (403,),
        ("Username/Password authentication is no longer",),
        "the index takes API tokens only, and a user name with a password was sent",
        f"Make a token on {{tokens}}, store it with {SET_TOKEN}, and {SAME}. Where a user name"
        " has to be given, it is __token__.",
    ),
    Row(
        Code.TOKEN_EXPIRED,
        (403,),
        ("token is expired",),
        "the API token has expired",
        f"Make a new token on {{tokens}}, store it with {SET_TOKEN}, and {SAME}. A token that"
        " trusted publishing gave is given anew by running the job again.",
        again="once",
        beside="Invalid API Token:",
    ),
    Row(
        Code.TOKEN_OF_ANOTHER_PROJECT,
        (403,),
        ("project-scoped token",),
        "the API token is one for other projects than {name}",
        f"Make a token whose scope is {{name}} on {{tokens}}, store it with {SET_TOKEN}, and"
        f" {SAME}. The first release of a new project takes a token for the whole account.",
        beside="Invalid API Token:",
    ),
    Row(
        Code.PUBLISHER_OF_ANOTHER_PROJECT,
        (403,),
        ("OIDC scoped token", "does not match publisher restriction"),
        "the trusted publisher that the token was given to is not one of {name}",
        "Add this repository's workflow as a trusted publisher on {publishing}, and run the job"
        " again.",
        beside="Invalid API Token:",
    ),
    Row(
        Code.TOKEN_VOID,
        (403,),
        ("signatures do not match", "deleted or nonexistent"),
        "the API token was deleted, is another index's, or was not stored whole",
        f"Make a new token on {{tokens}}, store all of it with {SET_TOKEN}, and {SAME}.",
        beside="Invalid API Token:",
    ),
    Row(
        Code.NOT_ALLOWED,
        (403,),
        ("isn't allowed to upload to project",),
        "this account or token may not upload to {name}, or the project is archived or under"
        " quarantine",
        "Ask an owner of {name} for the role of Maintainer, which is given on {collaboration}, or"
        " take the token of an account that has it. If the project is archived, an owner can"
        " unarchive it on {settings}; if it is under quarantine, that has to end first. If it is"
        " somebody else's, choose another name.",
    ),
    Row(
        Code.ORGANIZATION_INACTIVE,
        (400,),
        ("Organization account owning",),
        "the organization that owns {name} is inactive, often because of its billing",
        f"Let an owner of the organization look at its state and billing on {{organizations}}, and"
        f" {SAME}.",
    ),
    Row(
        Code.PENDING_PUBLISHER_NAME,
        (400,),
        ("Non-user identities cannot create",),
        "the pending trusted publisher was made for a project of another name than {name}",
        "Make the name in pyproject.toml and the one on {pending} the same, and run the job again.",
    ),
)
