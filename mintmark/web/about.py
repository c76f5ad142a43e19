"""The page that says in plain words how scores are made."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from . import decorators, glossary


@decorators.get_view
def explain_scores(request: HttpRequest) -> HttpResponseBase:
    """`/about/scores`."""
    return render(request, "web/about.html", {"terms": glossary.TERMS})
