"""What is on disk: recipe, journal, checkpoints, predictions, checksums; and the events of a run."""
