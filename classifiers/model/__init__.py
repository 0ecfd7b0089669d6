"""A model: fitted, calibrated, kept in a folder and described.

Import `Model` and `Prediction` from `classifiers.model.model`, `fit_model` and `ModelSpec` from
`classifiers.model.fitting`, `MemberSpec` from `classifiers.model.out_of_fold`, and `ModelDescription` from
`classifiers.model.description` for what a folder says without its classifiers. `classifiers.model.verified`
opens folders, `classifiers.model.metrics` measures.
"""
