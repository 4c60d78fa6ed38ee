"""How far this machine's clock is from a server's."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from poetry_publish_verified.adapters.http import Asked, Http
from poetry_publish_verified.adapters.http_errors import HttpError
from poetry_publish_verified.core.urls import Access


async def seconds_ahead(http: Http, url: str, access: Access, timeout: float) -> float | None:
    """Seconds that this clock is ahead of the server's (`Date`, RFC 9110); None if not known.

    Right to a second and the time that the answer took.
    """
    try:
        asked = Asked(0, timeout, fresh=True, patience=timeout, follow=False)
        page = await http.page(url, {}, access, asked)
        date = parsedate_to_datetime(page.headers["date"])
    except (HttpError, KeyError, ValueError):
        return None
    now = datetime.now(UTC)
    return (now - (date if date.tzinfo else date.replace(tzinfo=UTC))).total_seconds()
