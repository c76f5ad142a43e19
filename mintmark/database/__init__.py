"""What both databases need below every model: append-only tables, and rows written many at a time."""
