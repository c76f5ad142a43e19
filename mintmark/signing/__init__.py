"""Signed files: canonical JSON, DSSE, bundles, manifests, revocation lists. Pure Python."""
