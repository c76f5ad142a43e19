"""Importers: what others keep in files becomes prompts, assistants, rituals and evidence here.

Each reads and checks its whole source before it writes anything, writes in steps that are all or
nothing, changes nothing when run again, and reports every row that it refused and why.
"""
