"""Questions, paths and rationales made from a graph."""
