"""What both databases need below every model: append-only tables, bulk writes, checkpoints, the watermark."""
