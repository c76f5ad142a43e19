"""Pages of bundles and keys."""
