"""Poses in images and videos by the network of a finished run: the work of `posenas predict`."""
