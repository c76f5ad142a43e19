"""Pages of reputation and trust."""
