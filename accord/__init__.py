"""Accord keeps a language model and a knowledge graph in agreement."""
