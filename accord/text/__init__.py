"""Graph to text and text to tokens."""
