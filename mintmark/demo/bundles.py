"""The bundles of the simulated market: the receipt of each set that was bought, and one set to be carried elsewhere.

Built once the market's evidence is in the scores, so that they state the scores.
"""

from datetime import datetime

from mintmark.accounts import callers
from mintmark.accounts.models import Team, User
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Purchase
from mintmark.vault.models import PromptMarketplaceVault

EXPORTED = "careful-letters"
_TEAM, _EXPORTER = "support", "ana"


def create_bundles(*, now: datetime) -> int:
    """Make the bundles that are not there yet; how many were made."""
    market = SymbolicPromptTokenMarketplace()
    sold = Purchase.objects.filter(prompt_set__isnull=False, transfer__vault__isnull=True)
    created_count = 0
    for transfer in sold.order_by("transfer").values_list("transfer", flat=True).distinct():
        created_count += (
            market.get_or_issue_receipt(caller=None, transfer=transfer, now=now) is not None
        )
    exports = PromptMarketplaceVault.objects.filter(purpose=PromptMarketplaceVault.Purpose.EXPORT)
    if not exports.filter(name=EXPORTED).exists():
        market.export_bundle(
            caller=callers.from_user(user=User.objects.get(username=_EXPORTER)),
            team=Team.objects.get(name=_TEAM),
            prompt_set=prompt_sets.get_prompt_set(reference=EXPORTED),
            with_events=True,
            now=now,
        )
        created_count += 1
    return created_count
