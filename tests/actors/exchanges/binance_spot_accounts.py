"""Accounts of Binance spot and margin, with each kind of key."""

from actors._account_source import Credentials
from actors._secret import Secret
from actors.exchanges._binance_spot_account import SpotAccount, spot_account

from .test_signatures import BINANCE, BINANCE_KEY, ED25519, PRIVATE

NOW = 1_649_729_878_532
HMAC = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(BINANCE))
ED = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(ED25519))
RSA = Credentials(Secret.literal(BINANCE_KEY), Secret.literal(PRIVATE["rsa"]))
SPOT = SpotAccount("main", HMAC)
CROSS = spot_account("cross", HMAC, margin="cross")
ISOLATED = spot_account("alone", HMAC, margin="isolated", symbol="btcusdt")
