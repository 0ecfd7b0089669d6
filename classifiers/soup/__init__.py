"""Checkpoint soups: one trajectory of training, its checkpoints averaged into one model, and the evidence."""
