"""Everything that is derived from the evidence log: the fold, its tables, replay and calibration."""
