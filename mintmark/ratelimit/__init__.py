"""How many requests a key, a session or an address may send."""
