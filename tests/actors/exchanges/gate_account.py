"""Documented samples of a Gate.io account, what tests change of them, and an account that reads them."""

import json
from typing import Any

from actors._account_source import Credentials
from actors._secret import Secret
from actors.exchanges.gate import GateAccount

# Official samples (Gate's spot WebSocket v4 guide, 2026-05-27). What the first one says of `filled_amount` cannot be.
ORDER = b'{"time":1694655225,"time_ms":1694655225315,"channel":"spot.orders","event":"update","result":[{"id":"399123456","text":"t-testtext","create_time":"1694655225","update_time":"1694655225","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"sell","amount":"0.0001","price":"26253.3","time_in_force":"gtc","left":"0.0001","filled_total":"0","filled_amount":"812.8","avg_deal_price":"0","fee":"0","fee_currency":"USDT","point_fee":"0","gt_fee":"0","rebated_fee":"0","rebated_fee_currency":"USDT","create_time_ms":"1694655225315","update_time_ms":"1694655225315","user":3497082,"event":"put","stp_id":0,"stp_act":"-","finish_as":"open","biz_info":"-","amend_text":"-","slippage":"0.05"}]}'
TRADE = b'{"time":1605176741,"channel":"spot.usertrades","event":"update","result":[{"id":5736713,"user_id":1000001,"order_id":"30784428","currency_pair":"BTC_USDT","create_time":1605176741,"create_time_ms":"1605176741123.456","side":"sell","amount":"1.00000000","role":"taker","price":"10000.00000000","fee":"0.00200000000000","point_fee":"0","gt_fee":"0","text":"apiv4","id_market":917144}]}'
SUBSCRIBED = (
    b'{"time":1611541000,"id":8,"channel":"spot.orders","event":"subscribe","error":null,"result":{"status":"success"}}'
)
UPGRADE = b'{"type":"upgrade","msg":"The connection will soon be closed for a service upgrade. Please reconnect."}'
# The guide of REST, shortened to what is one of each.
MAIN_KEYS = b'[{"state":1,"mode":1,"name":"test1","user_id":1,"perms":[{"name":"account","read_only":false},{"name":"spot","read_only":false}],"ip_whitelist":[],"currency_pairs":["BTC_USD"],"key":"c5dcfbf1f3a7*****","created_at":1753030929,"update_at":1756300567,"last_access":1753030929},{"state":1,"mode":1,"name":"test2","user_id":1,"perms":[{"name":"spot","read_only":true}],"ip_whitelist":["1.2.3.4"],"currency_pairs":[],"key":"52fd0035f665*****","created_at":1753897991,"update_at":1756300567,"last_access":1753897991}]'

# Its worked signatures.
OF_A_GET = "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a"
OF_A_POST = "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541fc4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0"

NOW = 1_694_655_300_000
CREDENTIALS = Credentials(Secret.literal("demo-key"), Secret.literal("demo-secret"))
ACCOUNT = GateAccount("main", CREDENTIALS)


def row(**fields: object) -> dict[str, Any]:
    """An order of REST: as on the stream, with a status instead of an event, and numbers for times."""
    order = {**json.loads(ORDER)["result"][0], "status": "open"}
    del order["event"]
    return {**order, "create_time_ms": 1694655225315, "update_time_ms": 1694655225315, **fields}


def trade(**fields: object) -> dict[str, Any]:
    """An execution of REST, which has its id as text, and the asset of the fee."""
    return {**json.loads(TRADE)["result"][0], "id": "5736713", "fee_currency": "USDT", **fields}
