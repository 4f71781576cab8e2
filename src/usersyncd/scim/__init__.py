"""The SCIM 2.0 protocol of the receiving side (RFC 7643, RFC 7644, RFC 9865), without I/O.

What providers send is read (:mod:`~usersyncd.scim.reading`, :mod:`~usersyncd.scim.patch_reading`,
:mod:`~usersyncd.scim.query`), changed (:mod:`~usersyncd.scim.patch`), compared (:mod:`~usersyncd.scim.filter`) and
written (:mod:`~usersyncd.scim.answers`, :mod:`~usersyncd.scim.discovery`). Where resources are kept is behind
:class:`usersyncd.scim.store.ResourceStore`; HTTP is in :mod:`usersyncd.web.scim`.
"""
