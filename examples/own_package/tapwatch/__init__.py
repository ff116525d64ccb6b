"""A watch, labels, a feature, a variation and a network of one's own; bfrb knows nothing of them."""
