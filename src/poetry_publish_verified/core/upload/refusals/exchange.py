"""Refusals to exchange an identity token for an upload token, in the server's own order.

The words are those of `oidc/views.py`, `oidc/services.py` and `oidc/models/`.
"""

from functools import partial

from poetry_publish_verified.core.upload.refusals.row import Row, Said
from poetry_publish_verified.errors import Code

_said = partial(Said, *range(400, 500))

EXCHANGE = (
    Row(
        Code.ISSUER_UNKNOWN,
        _said("unknown trusted publishing issuer"),
        "the index does not accept identity tokens from {issuer}",
        "Give Poetry an API token, or publish from a CI system that the index accepts.",
    ),
    Row(
        Code.NOT_ENABLED,
        _said("not-enabled", "temporarily disabled"),
        "the index has trusted publishing from this CI system switched off",
        "Run the job again later, or give Poetry an API token.",
    ),
    Row(
        Code.IDENTITY_REFUSED,
        _said("malformed JWT", "invalid-token:"),
        "the index considers the identity token forged, malformed or expired",
        "Run the job again. If that does not help, the clock of the server that issues the tokens"
        " is more than 30 seconds off.",
    ),
    Row(
        Code.PENDING_PUBLISHER_USELESS,
        _said("invalid-pending-publisher:"),
        "this run matches a pending publisher, whose project already exists",
        "Remove it from {pending}, and add this run to {publishing}.",
    ),
    Row(
        Code.NAME_REFUSED,
        _said("allowed", "similar", "conflict", "name", beside="invalid-payload:"),
        "this run matches a pending publisher, but the index does not accept its project's name",
        "Choose another name, in pyproject.toml and on {pending}.",
    ),
    Row(
        Code.PUBLISHER_UNKNOWN,
        _said("'pull_request_target'"),
        "the workflow was started by pull_request_target, from which nothing may be published",
        "Publish from a push, a tag or a release event.",
    ),
    Row(
        Code.PUBLISHER_UNKNOWN,
        _said("invalid-publisher:"),
        "the index has no trusted publisher that matches this run: {claims}",
        "Compare this with {publishing}: correct what differs there, or add it. If the project is"
        " not on the index yet, use {pending}.{reusable}",
    ),
    Row(
        Code.IDENTITY_USED,
        _said("invalid-reuse-token:", "already used"),
        "the identity token was exchanged before, and the index accepts it only once",
        "Run the job again. A GitLab job has only one token: publish once in a job, and retry the"
        " job to go on. Nothing is uploaded twice.",
    ),
    Row(
        Code.EXCHANGE_FAILED,
        _said(),
        "the index refused to exchange the identity token",
        "Run the job again. The index's status page may say more.",
    ),
)
