"""The catalog of refusals: what servers say, what it means, what to do, whether to retry.

The words are those of PyPI's own server (https://github.com/pypi/warehouse, as of August 2026, in
the file below `warehouse/` that stands above each group), which others imitate. They are looked
for, ignoring case, in the status, the reason phrase and the body together.
"""

from poetry_publish_verified.core.upload.refusals.accounts import ACCOUNT
from poetry_publish_verified.core.upload.refusals.files import FILES
from poetry_publish_verified.core.upload.refusals.metadata import METADATA
from poetry_publish_verified.core.upload.refusals.names import NAMES
from poetry_publish_verified.core.upload.refusals.uploads import UPLOADS

# Rows with a cause of their own. At most one of them fits any one message but for those of tokens,
# of which the first counts.
PARTICULAR = (*ACCOUNT, *NAMES, *FILES, *METADATA, *UPLOADS)
