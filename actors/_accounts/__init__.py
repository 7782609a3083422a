"""The owner of an account's orders and fills, and what belongs to an account.

Layout, from the top of the import order down:

    _private_stream     the owner: follows the connections, reconciles; pure: _reconcile
    _live_events        what the stream brings: held, judged, delivered; pure: _pairing, _channel_watch
    _telling            what it tells the bot; _liveness: whether the bot may trade
    _inquiring          what it asks by REST; pure: _questions
    _bookkeeper         what it has told, kept for the next process; _account_store
    _book               what was delivered; _told_fills
    _listen_key         the key of a private stream, where a venue has one
    _cancel_after       the exchange's own dead man's switch; _cancel_line
"""
