"""The text classifier that needs no pretrained weights."""
