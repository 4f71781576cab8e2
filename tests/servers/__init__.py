"""Real servers for the tests: each module starts one kind, on loopback, on a free port, in a folder of its own."""
