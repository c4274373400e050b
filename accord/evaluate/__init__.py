"""Measurement: ranking, classification, generation, retention. Nothing here needs torch."""
