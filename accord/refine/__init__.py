"""The graph made better: what looks wrong or is missing, reviewed, applied and undone."""
