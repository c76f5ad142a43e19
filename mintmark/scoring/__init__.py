"""The estimators: prompt reputation, pair trust, their priors and intervals. Pure Python, no clock."""
