"""Pictures: fetched from servers that are not trusted, checked, kept in a bounded cache, read ahead.

Everything here costs at most what `MediaSettings` says, and every picture that is not to be had carries
its reason in `Picture.failure`. `pictures.PictureSource` gives one picture, `prefetch.prefetch` those of a
stream of records.
"""
