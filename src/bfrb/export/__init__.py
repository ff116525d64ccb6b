"""From networks to graphs, and from the published Keras models to bundles."""
