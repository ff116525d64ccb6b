"""Networks, one a file, each with its spec; `registry` is the one table of them."""
