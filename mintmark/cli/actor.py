"""Who acts when somebody at the machine runs a command: the principal `console`, an administrator.

Whoever can run commands here can read the database as well, so no sign-in is asked for; but what they do
is recorded under this name.
"""

from django.db import transaction

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Membership, Role, User

NAME = "console"


def get_caller() -> Caller:
    """The console as a caller, made the first time it is needed; nobody can sign in as it."""
    with transaction.atomic():
        user = User.objects.filter(username=NAME).first()
        if user is None:
            user = User.objects.create_user(username=NAME)
            user.set_unusable_password()
            user.save()
        Membership.objects.get_or_create(user=user, team=None, role=Role.ADMIN)
    return callers.from_user(user=user)
