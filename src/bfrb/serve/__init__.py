"""Servers that answer with a bundle, and a rehearsal of Kaggle's evaluation."""
