"""Claims run again: which, by the worker; what that says of who reported them."""
