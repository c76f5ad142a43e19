"""The addresses of the pages."""

from django.contrib.auth import views as auth
from django.urls import path, register_converter

from . import about, pair, reputation, start, theme, trust


class Id:
    """A number that a database's 64 bits can hold."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(Id, "id")

urlpatterns = [
    path("", start.page, name="start"),
    path("prompts/<id:prompt_id>/", reputation.to_reputation, name="prompt"),
    path("prompts/<id:prompt_id>/reputation", reputation.page, name="reputation"),
    path("prompts/<id:prompt_id>/evidence.csv", reputation.evidence_file, name="evidence_file"),
    path("assistants/<id:assistant_id>/trust", trust.page, name="trust"),
    path("assistants/<id:assistant_id>/trust.csv", trust.matrix_file, name="trust_file"),
    path("assistants/<id:assistant_id>/trust/<id:prompt_id>", pair.page, name="pair"),
    path("about/scores", about.scores, name="about_scores"),
    path(
        "sign-in",
        auth.LoginView.as_view(template_name="web/sign_in.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("sign-out", auth.LogoutView.as_view(), name="logout"),
    path("theme", theme.switch, name="theme"),
]
