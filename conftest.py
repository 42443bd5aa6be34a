"""For every test: Ctrl-C and a closed terminal are what Python makes of them, even where a shell that starts
tests in the background lets them ignore these."""

from __future__ import annotations

import signal
import threading

if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
