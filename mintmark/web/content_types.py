"""`Content-Type` as Django can read it. Django takes the charset in it at its word before anything else runs, and fails
where that decodes no text (`hex`, `idna`), as with parameters of RFC 2231 and headers that are very long."""

_MAX_LENGTH = 1_000
_UTF_8 = ("utf-8", "utf8")
_FORM = "application/x-www-form-urlencoded"
# Decodes anything, so Django gets as far as to refuse a form that names it.
_OTHER_CHARSET = " charset=iso-8859-1"


def sanitise_content_type(header: str) -> str:
    """The header without what Django can't read: addresses and JSON are UTF-8 whatever it says.

    A form keeps a word of being in another charset, for which Django refuses it (400).
    """
    kind, *parameters = header[:_MAX_LENGTH].split(";")
    parts, is_utf_8 = [kind], True
    for parameter in parameters:
        name, _, value = parameter.strip().lower().partition("=")
        if name.strip() == "charset":
            is_utf_8 &= value.strip(' "') in _UTF_8
        elif "*" not in name:
            parts.append(parameter)
    if not is_utf_8 and kind.strip().lower() == _FORM:
        parts.append(_OTHER_CHARSET)
    return ";".join(parts)
