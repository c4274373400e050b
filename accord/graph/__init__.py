"""The knowledge graph: reading, storing, searching. NumPy only, never torch."""
