"""Image and text classifiers on neural networks."""
