"""Other people's text made safe for a terminal: a literal of the graph may hold escape sequences."""

import unicodedata

_KEPT = "\n\t"
_REVERSING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: str) -> str:
    """The text with control characters and overrides of the writing direction written as U+FFFD."""
    if text.isprintable():
        return text
    return "".join(
        c if c in _KEPT or (unicodedata.category(c) != "Cc" and c not in _REVERSING) else "\ufffd"
        for c in text
    )
