"""The web service of the daemon: directories that push, events, and the API, by Starlette on uvicorn.

``server.py`` listens, ``limits.py`` and ``connection.py`` keep clients within bounds, ``auth.py`` knows who they are,
``app.py`` puts the routes together. It needs the extra ``web``: the daemon imports this package only if the
configuration has a section ``web``.
"""
