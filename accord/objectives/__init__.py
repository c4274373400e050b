"""What a model can be trained for; each asks for readings and is pure in what comes back."""
