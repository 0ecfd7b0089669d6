"""Training and measuring models on records of the graph."""
