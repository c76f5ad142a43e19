"""Everything that is computed from the evidence log: the fold, its tables, replay and calibration."""
