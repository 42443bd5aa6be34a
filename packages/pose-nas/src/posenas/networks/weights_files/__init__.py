"""Files of weights by any program, read without running anything that they hold."""
