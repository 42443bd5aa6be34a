"""Which of the installed components work together, from the contracts alone."""
