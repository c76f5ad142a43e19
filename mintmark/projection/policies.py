"""Policies: the constants of the scores."""

from datetime import datetime

from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import ReputationPolicy

from .prompt_models import Policy

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def get_current() -> Policy:
    """The newest policy; created from the defaults before the first calibration."""
    newest = Policy.objects.order_by("-version").first()
    if newest is not None:
        return newest
    return Policy.objects.create(
        pairs=PairPolicy().to_json(),
        reputation=ReputationPolicy().to_json(),
        note="what is assumed before the first calibration",
        created_at=_EPOCH,
    )
