"""Receives directories that push: keeps their resources in the snapshot, and turns requests into revisions of it.

:class:`~usersyncd.push.receiver.DirectoryReceiver` is the store of one directory. :mod:`~usersyncd.push.overlay`
decides what a request changes, :mod:`~usersyncd.push.commit` saves what a batch of requests changed, by the same code
as a pull.
"""
