"""What learns: image, text and tabular classifiers, their fusion, calibration and model folders.

Knows records and arrays; knows nothing of RDF, HTTP or Celery. Import records from `enrich.classifiers.data`, the
interface and ClassifierError from `enrich.classifiers.base`, classifiers by name from `enrich.classifiers.registry`, and
models from `enrich.classifiers.model`. Only the registry imports what is heavy, when it is asked for it.
"""
