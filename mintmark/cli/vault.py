"""`mintmark vault`: its commands, loaded when they are called: `verify` needs neither Django nor a database."""

import click

from . import lazy

COMMANDS = {
    "export": (
        "vault_bundles:export",
        "Sign a bundle of prompts, or of a set, to carry elsewhere.",
    ),
    "receipt": ("vault_bundles:receipt", "Get the signed bundle of what was bought in TRANSFER."),
    "list": (
        "vault_bundles:list_",
        "List the bundles that are kept here, and the files that wait.",
    ),
    "show": ("vault_bundles:show", "Show a bundle, or (--import) a file that was imported."),
    "countersign": (
        "vault_bundles:countersign",
        "Add your own signature to a bundle: vouch for it.",
    ),
    "verify": (
        "vault_verify:verify",
        "Check a bundle, or the folder that one was written as, against keys that you trust.",
    ),
    "import": (
        "vault_imports:import_",
        "Import a bundle's FILE: it is checked, and waits in quarantine.",
    ),
    "accept": ("vault_imports:accept", "Accept what waits in quarantine, all of it or nothing."),
    "refuse": (
        "vault_imports:refuse",
        "Refuse what waits in quarantine; the reason alone is kept.",
    ),
    "keys": ("vault_keys:keys", "Manage the keys that sign here, and the trusted keys of others."),
    "revoke": (
        "revocation_lists:revoke",
        "Publish what was withdrawn here, and apply what others withdrew.",
    ),
}
"""Every command: where it is, and its first line of help."""


@click.group(cls=lazy.LazyGroup, places=COMMANDS)
def vault() -> None:
    """Carry prompts to other installations and back, in signed bundles."""
