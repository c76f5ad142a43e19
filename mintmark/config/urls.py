"""Where each door is hung."""

from django.contrib import admin
from django.urls import include, path

from mintmark.api import door
from mintmark.telemetry import metrics

handler500 = "mintmark.web.mistakes.mistake"
urlpatterns = [
    path("", include("mintmark.web.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", door.urls),
    path("metrics", metrics.page, name="metrics"),
]
