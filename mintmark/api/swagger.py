"""The interactive reference of this door: Swagger UI from vendored files, under the strict policy of the pages."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe


@require_safe
@login_not_required
def show_reference(request: HttpRequest) -> HttpResponse:
    """The page; what it shows is the schema, which it fetches from this server."""
    settings = {
        "url": reverse("api:openapi-json"),
        "layout": "BaseLayout",
        "deepLinking": True,
        "docExpansion": "none",  # every group closed: drawing every operation at once takes a browser seconds
        "filter": True,
        "validatorUrl": None,  # else the page asks a server elsewhere whether the schema is valid
    }
    return render(request, "api/reference.html", {"settings": settings})
