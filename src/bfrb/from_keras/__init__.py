"""Models of the published Keras notebook as bundles, without Keras and without unpickling."""
