"""Networks as files that run without torch: the file, its manifest, and the proof that both agree."""
