"""Pages of a team: wallet, webhooks, an assistant's settings."""
