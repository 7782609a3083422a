"""The documented order update of Binance USD-M, what tests change of it, and an account that reads it."""

import json

from actors._account_source import AccountSource, Credentials
from actors._secret import Secret
from actors.exchanges.binance_usdm import UsdmAccount

# The official sample of the user data page.
ORDER = (
    '{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST","S":"SELL",'
    '"o":"TRAILING_STOP_MARKET","f":"GTC","q":"0.001","p":"0","ap":"0","sp":"7103.04","x":"NEW","X":"NEW","i":8886774,'
    '"l":"0","z":"0","L":"0","N":"USDT","n":"0","T":1568879465650,"t":0,"b":"0","a":"9.91","m":false,"R":false,'
    '"wt":"CONTRACT_PRICE","ot":"TRAILING_STOP_MARKET","ps":"LONG","cp":false,"AP":"7476.89","cr":"5.0","pP":false,'
    '"si":0,"ss":0,"rp":"0","V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0,"er":"0"}}'
)
CREDENTIALS = Credentials(Secret.literal("the-key"), Secret.literal("the-secret"))
ACCOUNT: AccountSource = UsdmAccount("main", CREDENTIALS)


def order(**changes: object) -> bytes:
    message = json.loads(ORDER)
    message["o"].update(changes)
    return json.dumps(message).encode()
