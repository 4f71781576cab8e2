"""The product itself, pure: no I/O, no clock, no logging. Data in, data out."""
