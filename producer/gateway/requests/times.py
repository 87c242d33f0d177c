"""Times in requests, and places in lists, which have one."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """Return the time that ``text`` names, without an offset in UTC; raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def in_query(text: str) -> datetime:
    """Return the same of a time in a query, where a bare + is a blank; raises ValueError."""
    return moment(text.replace(" ", "+"))


def place(text: str) -> tuple[datetime, str]:
    """Return the time of a row and its id, as the place of a list has them; raises ValueError."""
    time, _, row_id = text.partition("/")
    if "\0" in row_id:
        raise ValueError(text)  # the store takes none
    return moment(time), row_id
