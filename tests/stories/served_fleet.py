"""A process of the serving story: registers prompts and a key, and says which."""

import json
import sys

import django

django.setup()

from mintmark.accounts import keys  # noqa: E402
from mintmark.registry.models import Prompt  # noqa: E402
from tests.factories.cast import Cast  # noqa: E402

cast = Cast()
for n in range(12):
    cast.written(f"acme/served-{n}", f"Text {n} about {{x}}.")
secret = keys.issue(principal=cast.as_(cast.buyer).principal, scopes=["read"]).secret
json.dump(
    {"secret": secret, "prompts": list(Prompt.objects.values_list("id", flat=True))}, sys.stdout
)
