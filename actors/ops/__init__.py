"""Watching a tree from outside: vital signs, health endpoint, ledger file.

Generic over any tree whose actors expose vital signs; nothing here knows an exchange.

    _health             the actor behind the endpoint
    _routes, _events_stream   what is answered to which path; events as they come
    _http_endpoint      a small HTTP server: everything bounded, only reading
    _metrics            the tree for Prometheus
    _ledger             the actor that writes every failure to a file
    _ledger_file        that file: SQLite, its reader, its retention
    _failure            an event as a row: cause, chain of exceptions
    _vitals             what owners of data expose, and the verdict about all of them, pure
"""
