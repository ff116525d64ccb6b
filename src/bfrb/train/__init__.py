"""Augmentation, batches, the training loop and cross-validation."""
