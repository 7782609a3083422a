"""The network: WebSockets, REST, and how a stream comes up. Only files in here import network libraries.

Layout, from the top of the import order down:

    _wire               WebSocket messages, over trio-websocket
    _tap                takes the data out of the bytes below it; pure: _ws_frames
    _http               REST, over httpx; pure: _rest_limit
    _http_network       its streams
    _dial               names, TCP, proxies, TLS; pure: _address
"""
