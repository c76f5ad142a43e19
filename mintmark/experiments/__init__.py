"""Comparing two prompts: sequential tests, allocation, perturbed replays. Pure Python."""
