raise RuntimeError("out of ink")
