"""The only imports of matplotlib."""
