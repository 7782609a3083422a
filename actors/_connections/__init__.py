"""One connection to a venue as an actor, public or private, and what it consists of.

Layout, from the top of the import order down:

    _connection         one wire after the other, and two while the next one takes over
    _link               one wire: greeted, subscribed or logged in, pumped; _pings: its pings
    _lines              what a public and a private connection say; pure: _subscriptions, _login
    _outflow            the way to the owner of the data
    _pinger             the metronome
    _venue_clock        the venue's time, measured
    _message_budget     how much may be said; pure
    _together           several jobs that end together
"""
