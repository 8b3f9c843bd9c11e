"""Comparisons of arms: `compare` makes one result of records, and each renderer shows the same one."""
