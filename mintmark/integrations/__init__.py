"""Other tools' files and registries: imported as prompts, assistants, tasks and evidence, and exported again.

An importer reads and checks its whole source before it writes, writes each step whole or not at all, changes nothing
when it runs again, and reports every row that it refused, with the reason.
"""
