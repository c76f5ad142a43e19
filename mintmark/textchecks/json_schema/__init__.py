"""JSON Schema validation with a bound on its work."""
