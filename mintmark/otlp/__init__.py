"""Evaluations that arrive over OpenTelemetry."""
