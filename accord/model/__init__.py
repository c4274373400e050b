"""Language models: loading, reading sequences, embedding, writing."""
