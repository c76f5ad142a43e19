"""Pages of the market."""
