"""Answers that are read off the graph, cited and checked."""
