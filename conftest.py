"""For every test: Ctrl-C is what Python makes of it, even where a shell that starts tests in the background
lets them ignore it."""

from __future__ import annotations

import signal
import threading

if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
