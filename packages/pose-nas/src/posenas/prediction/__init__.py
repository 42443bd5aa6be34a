"""Poses in images and videos by the network of a finished run: what `posenas predict` does."""
