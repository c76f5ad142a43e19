"""The background process: folds evidence, settles warranties, runs rituals, delivers webhooks."""
