"""Pages of tasks, runs and comparisons."""
