"""Training: one loop, its steps, what they see, and the run folder."""
