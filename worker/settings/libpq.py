"""The connection parameters that a PostgreSQL URL may have, by libpq's names."""

from __future__ import annotations

import re

#: in the authority of a URL, or among its parameters
LOGIN = ("user", "password", "dbname")
_TEXTS = (
    "application_name",
    "fallback_application_name",
    "gssdelegation",
    "gsslib",
    "hostaddr",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslpassword",
    "sslrootcert",
    "sslsni",
)
_NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
)
_WORDS = {
    "channel_binding": ("disable", "prefer", "require"),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8"),  # names may have any character
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
    "sslcertmode": ("disable", "allow", "require"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": (
        "any",
        "read-write",
        "read-only",
        "primary",
        "standby",
        "prefer-standby",
    ),
}
#: settings that ``options`` may not have: tagsweep sets them itself
_OURS = (
    "client_encoding",
    "default_transaction_isolation",
    "standard_conforming_strings",
    "timezone",
)


def check(name: str, texts: list[str]) -> None:
    """Raise ValueError if a parameter is unknown, is given twice, or has an invalid value."""
    if name not in {*_TEXTS, *_WORDS, *_NUMBERS, *LOGIN}:
        shown = f" {name}" if re.fullmatch(r"[a-z_]{1,40}", name) else ""
        raise ValueError(f"has a parameter{shown} that tagsweep does not support: remove it")
    if len(texts) > 1:
        raise ValueError(f"names its {name} twice")
    if "\0" in texts[0]:
        raise ValueError(f"has a control character in its {name}")
    words = _WORDS.get(name)
    if words and texts[0] not in words:
        raise ValueError(f"has an invalid {name}: it must be one of {', '.join(words)}")
    if name in _NUMBERS and not re.fullmatch(r"\d{1,9}", texts[0]):
        raise ValueError(f"has an invalid {name}: it must be a number")


def settings_in(options: str) -> dict[str, str]:
    """Return the settings in ``options``, written ``-c name=value`` or ``--name=value``.

    Raises ValueError for anything else in it, and for settings that tagsweep relies on.
    """
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options)]
    settings: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word += words.pop(0)
        match = re.fullmatch(r"(?:-c|--)([A-Za-z_][\w.-]*)=(.*)", word, re.DOTALL)
        if match is None:
            raise ValueError("has options other than -c name=value")
        name = match[1].replace("-", "_").lower()
        if name in _OURS:
            raise ValueError(f"sets {name} in its options, which tagsweep sets itself")
        settings[name] = match[2]
    return settings
