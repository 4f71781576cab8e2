"""Sends the events of streams to webhooks: one sender for each endpoint, beside the runs of the daemon."""
