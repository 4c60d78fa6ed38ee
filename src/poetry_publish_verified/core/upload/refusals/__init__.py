"""The catalogue of refusals: what servers say, what it means, what to do, and whether again.

Source of the words: PyPI's own server, which others imitate. They are looked for, without regard
to case, in status, reason phrase and body together.
"""

from poetry_publish_verified.core.upload.refusals.accounts import ACCOUNT
from poetry_publish_verified.core.upload.refusals.files import FILES
from poetry_publish_verified.core.upload.refusals.metadata import METADATA
from poetry_publish_verified.core.upload.refusals.names import NAMES
from poetry_publish_verified.core.upload.refusals.uploads import UPLOADS

# Rows that tell a cause of its own. Of any one message at most one of them is true, so their order
# does not matter.
PARTICULAR = (*ACCOUNT, *NAMES, *FILES, *METADATA, *UPLOADS)
