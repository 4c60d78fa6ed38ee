"""Refusals because of the uploader (account, token, rights), or because uploads are closed."""

from poetry_publish_verified.core.upload.refusals.row import Row, Said
from poetry_publish_verified.errors import Code

ACCOUNT = (
    # forklift/decorators.py
    Row(
        Code.CLOSED,
        Said(403, "Read-only mode:", "uploads are temporarily disabled"),
        "the index does not accept uploads at the moment",
        "{later}",
        again="later",
    ),
    Row(
        Code.CREDENTIALS_REFUSED,
        Said(403, "Invalid or non-existent authentication"),
        "the token or password is wrong or was deleted, or the account is disabled",
        "{new_token}{older}",
    ),
    # accounts/security_policy.py
    Row(
        Code.PASSWORD_NOT_TAKEN,
        Said(403, "Username/Password authentication is no longer"),
        "the index accepts API tokens only, not a user name and password",
        "{new_token} Where a user name is required, use __token__.",
    ),
    # packaging/services.py
    Row(
        Code.NEW_PROJECTS_CLOSED,
        Said(403, "New project registration temporarily"),
        "the index does not accept new projects at the moment",
        "{later}",
        again="later",
    ),
    # macaroons/security_policy.py, which puts "Invalid API Token:" before these, and
    # macaroons/caveats/__init__.py and macaroons/services.py
    Row(
        Code.TOKEN_EXPIRED,
        Said(403, "token is expired", beside="Invalid API Token:"),
        "the API token has expired",
        "{new_token} With trusted publishing, run the job again to get a new one.",
        again="once",
    ),
    # A publisher's token of another project is answered with the words of both.
    Row(
        Code.PUBLISHER_OF_ANOTHER_PROJECT,
        Said(
            403,
            "OIDC scoped token",
            "does not match publisher restriction",
            beside="Invalid API Token:",
        ),
        "the token was issued to a trusted publisher that {name} does not list",
        "Add this repository's workflow as a trusted publisher on {publishing}, then run the job"
        " again.",
    ),
    Row(
        Code.TOKEN_OF_ANOTHER_PROJECT,
        Said(403, "project-scoped token", beside="Invalid API Token:"),
        "the API token is for projects other than {name}",
        "Create a token whose scope is {name} on {tokens}, store it with {set_token}, then {rerun}."
        " The first release of a new project needs a token for the whole account.",
    ),
    Row(
        Code.TOKEN_VOID,
        Said(403, "signatures do not match", "deleted or nonexistent", beside="Invalid API Token:"),
        "the API token was deleted, belongs to another index, or was not stored completely",
        "Create a new token on {tokens}, store all of it with {set_token}, then {rerun}.",
    ),
    # forklift/legacy.py
    Row(
        Code.TOO_MANY_NEW_PROJECTS,
        Said(429, "Too many new projects created"),
        "this account, or this address, has created as many new projects as the index allows",
        "Wait until the limit is reset, then {rerun}. You can still publish existing projects.",
        again="after-reset",
    ),
    Row(
        Code.EMAIL_NOT_VERIFIED,
        Said(400, 403, "verified primary email"),
        "the primary e-mail address of the account that owns the token is not verified",
        "Log in to that account, verify its primary e-mail address on {account}, then"
        " {rerun}: there is nothing to change or rebuild.",
    ),
    Row(
        Code.TWO_FACTOR_MISSING,
        Said(403, "two-factor authentication enabled"),
        "the account that owns the token has no two-factor authentication",
        "Log in to that account, enable two-factor authentication on {two_factor}, then {rerun};"
        " the token stays valid.",
    ),
    Row(
        Code.NOT_ALLOWED,
        Said(403, "isn't allowed to upload to project"),
        "this account or token may not upload to {name}, or the project is archived or quarantined",
        "Ask an owner of {name} for the Maintainer role (on {collaboration}), or use the token of"
        " an account that has it. An owner can unarchive an archived project on {settings}; only"
        " the index's administrators can lift a quarantine. If {name} belongs to somebody else,"
        " choose another name.",
    ),
    Row(
        Code.ORGANIZATION_INACTIVE,
        Said(400, "Organization account owning"),
        "the organization that owns {name} is inactive, often because of its billing",
        "Ask an owner of the organization to check its status and billing on {organizations}, then"
        " {rerun}.",
    ),
    Row(
        Code.PENDING_PUBLISHER_NAME,
        Said(400, "Non-user identities cannot create"),
        "the pending trusted publisher was created for a project with a name other than {name}",
        "Use the same name in pyproject.toml and on {pending}, then run the job again.",
    ),
)
