"""The living example that `mintmark demo` loads: a small simulated fleet, and the real corpus if it
is there.

Everything simulated says so: in its title, its description, its note, its team's title.
"""
