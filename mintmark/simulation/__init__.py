"""A simulated market, and attacks on it."""
