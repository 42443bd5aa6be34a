"""What was found, and what that is worth: results, comparison, report, progress."""
