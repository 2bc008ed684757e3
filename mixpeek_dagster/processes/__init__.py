"""Child processes and what they share: starting, watching, stopping; ports, locks, logs; who a process is."""
