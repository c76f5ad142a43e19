"""The root URLs: pages, the JSON API, metrics; and what answers where no view does."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import include, path
from django.views import defaults

from mintmark.api import app
from mintmark.observability import metrics
from mintmark.web import errors

urlpatterns = [
    path("", include("mintmark.web.urls")),
    path("api/v1/", app.urls),
    path("metrics", metrics.show_metrics, name="metrics"),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to a request that is refused before routing (an unknown host name, for example), in the format of its
    route."""
    if request.path.startswith(app.PREFIX):
        return app.handle_400(request, exception)
    return defaults.bad_request(request, exception)


def handler500(request: HttpRequest) -> HttpResponseBase:
    """The answer to a server error, or to a database that can't answer, in the format of the route."""
    if request.path.startswith(app.PREFIX):
        return app.handle_500(request)
    return errors.render_server_error(request)
