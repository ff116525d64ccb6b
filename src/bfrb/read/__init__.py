"""Devices, recordings, readers, stores and folds."""
