"""A page as a browser sees it: without the white space of the templates."""

import re

from django.http import HttpResponse

_VERBATIM = re.compile(r"(<(pre|textarea|code|script)\b.*?</\2>)", re.DOTALL)
_INLINE = "a|b|button|code|em|i|input|label|mark|s|small|span|strong|time|kbd|sub|sup|q"
_BLOCK = rf"(</?(?!(?:{_INLINE})\b)[a-z][^>]*>)"


def read(answer: HttpResponse) -> str:
    """The page that was answered, squeezed."""
    return squeeze(answer.content.decode())


def squeeze(html: str) -> str:
    """The page with each run of white space as one space, and none beside the tags of blocks; texts in <pre>,
    <textarea>, <code> and <script> stay as they are."""
    parts = _VERBATIM.split(html)
    return "".join(
        "" if place % 3 == 2 else _squeeze_tags(part) if place % 3 == 1 else _squeeze_part(part)
        for place, part in enumerate(parts)
    )


def _squeeze_part(html: str) -> str:
    html = re.sub(r"\s+", " ", html)
    html = re.sub(r" (/?>)", r"\1", html)
    return re.sub(rf" ?{_BLOCK} ?", r"\1", html)


def _squeeze_tags(element: str) -> str:
    """The verbatim element, its tags written on one line."""
    return re.sub(
        r"<[^>]*>", lambda tag: re.sub(r" (/?>)", r"\1", re.sub(r"\s+", " ", tag.group())), element
    )
