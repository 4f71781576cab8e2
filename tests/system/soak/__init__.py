"""The random life of a company that a daemon follows, and what its targets must hold."""
