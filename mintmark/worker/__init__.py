"""The background process: updates scores, settles warranties, runs tasks, delivers webhooks."""
