"""Latency: measured on this machine's device, or predicted from a table of its operators' times."""
