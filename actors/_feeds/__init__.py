"""The owners of public data: they outlive their connections, fill what is missing, and judge silence.

Layout, from the top of the import order down:

    _feed               trades; _filling: asks for what is missing
    _books, _quotes     order books, best bid and ask; on _owner_loop
    _owner, _asking     what all owners share: who brings what, and questions to REST
    pure, of trades     _numbered and _unnumbered, the two kinds of continuity, on _continuity; _audit, _joint
    pure, of books      _book_sync; _book: the local order book of whoever reads
    pure, of silence    _silence, _rhythm
    pure, of failover   _failover, _freshness, _merge; the actor is actors/_best_feed.py
"""
