"""Masks secrets in text: passwords in URLs, and the secrets that settings hold.

Secrets are found both by their form and by value, as learnt from the settings. A library's message
may contain one decoded, quoted, or in the middle of a sentence.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
#: shorter secrets are masked only by their form: by value they would match parts of words
SHORTEST = 3
#: from this length on, a secret is masked within a word too
LONG = 8
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
#: between the members of a failover list
_BETWEEN = re.compile(rf"([;,]\s*)(?={_SCHEME})")
#: how the names of what is secret end
_ENDS = (
    *("passwd", "password", "passphrase", "pwd", "secret", "secret_key", "secretkey"),
    *("api_key", "apikey", "token", "sentinel_kwargs"),
)
_NAMED = rf"[\w\-.]*(?:{'|'.join(_ENDS)})"
_PARAMETER = re.compile(rf"([?&;\s]{_NAMED}=)[^&]*", re.IGNORECASE)
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\{[^}]*\}"""
_FIELD = re.compile(
    rf"""(\b{_NAMED}\s*=\s*|(?P<q>['"]){_NAMED}(?P=q)\s*:\s*)({_QUOTED}|[^\s&,;)'"]+)""",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(rf"{_SCHEME}[^\s\"'<>]+")

#: the secrets in this process's settings, in every form in which they may occur
_secrets: set[str] = set()


def masked(url: str) -> str:
    """Return ``url`` without any secret, even if it is malformed."""
    members = _BETWEEN.split(url)
    members[::2] = [_masked(member) for member in members[::2]]
    return "".join(members)


def redacted(text: str) -> str:
    """Return ``text``, any sentence, log line or traceback, without its secrets."""
    pattern = _pattern(frozenset(_secrets))
    if pattern is not None:
        text = pattern.sub(MASK, text)
    if "://" in text:
        text = _IN_TEXT.sub(lambda match: masked(match[0]), text)
    return _FIELD.sub(_without_value, text) if _may_name_one(text) else text


def learn(secret: str) -> None:
    """From now on, mask ``secret`` in everything that this process shows."""
    for form in _forms(secret):
        if len(form) >= SHORTEST:
            _secrets.add(form)


def learn_url(url: str) -> None:
    """From now on, mask the secrets in ``url`` in everything that this process shows."""
    public = {"tagsweep", *re.split(r"\W+", masked(url))}
    for secret in _secrets_of(url):
        if secret not in public:  # in guest:guest, the user name is not a secret
            learn(secret)


def forget() -> None:
    """Forget what was learnt."""
    _secrets.clear()


class Filter(logging.Filter):
    """Masks secrets in what a log handler writes, including tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the secrets in ``record``; it is always written."""
        record.msg, record.args = redacted(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text, record.exc_info = redacted(text), None
        return True


class _Stream:
    """A text stream that masks secrets in what is written to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` without its secrets."""
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard(*names: str) -> None:
    """Mask secrets in what this process writes to ``stdout`` or ``stderr``; safe to repeat.

    Tracebacks are written in one piece, because the interpreter would write them in fragments.
    """
    for name in (form for one in names for form in (one, f"__{one}__")):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Stream):
            setattr(sys, name, _Stream(stream))
    sys.excepthook = _print_traceback


def _print_traceback(kind: type[BaseException], error: BaseException, where: Any) -> None:
    print("".join(traceback.format_exception(kind, error, where)), file=sys.stderr, end="")  # noqa: T201  # as the interpreter does


def _masked(url: str) -> str:
    head, rest = _parted(url)
    rest = _PARAMETER.sub(rf"\1{MASK}", rest)
    who, at, where = rest.rpartition("@")
    if not at:
        # without a host before it, what follows is treated as a password
        return f"{head}:{MASK}" if head and rest.startswith(":") else f"{head}{rest}"
    return f"{head}{_user(head, who)}@{where}"


def _parted(url: str) -> tuple[str, str]:
    """Return the scheme, including ``://``, and the rest."""
    match = re.match(_SCHEME, url)
    return (match[0], url[match.end() :]) if match else ("", url)


def _user(head: str, who: str) -> str:
    """Return the user and, as a mask, the password of a URL.

    A name without a password may itself be the secret; to PostgreSQL it is just a name.
    """
    name, colon, password = who.partition(":")
    if re.search(r"[/?#&=\s]", name):
        return MASK
    if password:
        return f"{name}:{MASK}"
    return who if not name or _is_public(head) else f"{MASK}{colon}"


def _is_public(head: str) -> bool:
    return re.split(r"[+:]", head)[0].lower() in ("postgresql", "postgres")


def _may_name_one(text: str) -> bool:
    """Return whether ``text`` may have the name of a secret: for most lines there is no search."""
    if not text.isascii():
        return True  # some letters are equal to ASCII ones, but for their case
    lowered = text.lower()
    return any(end in lowered for end in _ENDS)


def _without_value(match: re.Match[str]) -> str:
    value = match[3]
    mark = value[0] if value[0] in "'\"" else ""
    return f"{match[1]}{mark}{MASK}{mark}"


def _secrets_of(url: str) -> Iterator[str]:
    for member in _BETWEEN.split(url)[::2]:
        head, rest = _parted(member)
        for parameter in _PARAMETER.finditer(rest):
            value = parameter[0].partition("=")[2]
            yield value
            yield unquote_plus(value)
        who, at, _ = rest.rpartition("@")
        name, _, password = who.partition(":")
        if password:
            yield password
        elif at and not _is_public(head):
            yield name
        elif head and rest.startswith(":"):
            yield rest[1:]


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may occur: as it is, decoded, encoded, quoted."""
    for plain in (secret, unquote(secret)):
        yield plain
        yield quote(plain, safe="")
        yield quote(plain)
        yield repr(plain)[1:-1]
        yield ascii(plain)[1:-1]
        yield json.dumps(plain)[1:-1]


@cache
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Return a pattern that matches any of ``secrets``, the longest first."""
    if not secrets:
        return None
    patterns = [_alone(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join(patterns))


def _alone(secret: str) -> str:
    """Return the pattern of a secret; a short one matches only as a whole word."""
    escaped = re.escape(secret)
    if len(secret) >= LONG:
        return escaped
    before = r"(?<!\w)" if re.match(r"\w", secret) else ""
    after = r"(?!\w)" if re.search(r"\w$", secret) else ""
    return f"{before}{escaped}{after}"
