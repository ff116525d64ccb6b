"""A local page to look at recordings, what a bundle answers for them, and to label them."""
