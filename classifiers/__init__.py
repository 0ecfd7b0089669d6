"""What learns: image, text and tabular classifiers, their fusion, calibration and model folders.

Knows records and arrays; knows nothing of RDF, HTTP or Celery.
"""
