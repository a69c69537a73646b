"""The product as people use it: a real installation, a real browser."""
