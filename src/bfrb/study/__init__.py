"""What is recorded and what it means: devices, labels, recordings, folds."""
