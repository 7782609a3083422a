"""Documented samples of a KuCoin account, what tests change of them, and an account that reads them."""

import json
from typing import Any

from actors._account_source import Credentials
from actors._secret import Secret
from actors.exchanges.kucoin import KucoinAccount

# Official samples (Kucoin/kucoin-universal-sdk, spec/ws and the samples of its tests, 2025-11-04).
RECEIVED = b'{"topic":"/spotMarket/tradeOrdersV2","type":"message","subject":"orderChange","userId":"633559791e1cbc0001f319bc","channelType":"private","data":{"clientOid":"5c52e11203aa677f33e493fc","orderId":"6720da3fa30a360007f5f832","orderTime":1730206271588,"orderType":"market","originSize":"0.00001","side":"buy","status":"new","symbol":"BTC-USDT","ts":1730206271616000000,"type":"received"}}'
OPEN = b'{"topic":"/spotMarket/tradeOrdersV2","type":"message","subject":"orderChange","userId":"633559791e1cbc0001f319bc","channelType":"private","data":{"canceledSize":"0","clientOid":"5c52e11203aa677f33e493fb","filledSize":"0","orderId":"6720ecd9ec71f4000747731a","orderTime":1730211033305,"orderType":"limit","originSize":"0.00001","price":"50000","remainSize":"0.00001","side":"buy","size":"0.00001","status":"open","symbol":"BTC-USDT","ts":1730211033335000000,"type":"open"}}'
BALANCE = b'{"topic":"/account/balance","type":"message","subject":"account.balance","id":"354689988084000","userId":"633559791e1cbc0001f319bc","channelType":"private","data":{"accountId":"548674591753","currency":"USDT","total":"21.133773386762","available":"20.132773386762","hold":"1.001","availableChange":"-0.5005","holdChange":"0.5005","relationContext":{"symbol":"BTC-USDT","orderId":"6721d0632db25b0007071fdc"},"relationEvent":"trade.hold","relationEventId":"354689988084000","time":"1730269283892"}}'
# The sample of the guide of 2024, of an execution; the form is that of today.
MATCH = b'{"type":"message","topic":"/spotMarket/tradeOrdersV2","subject":"orderChange","channelType":"private","data":{"symbol":"KCS-USDT","orderType":"limit","side":"sell","orderId":"5efab07953bdea00089965fa","liquidity":"taker","type":"match","feeType":"takerFee","orderTime":1670329987026,"size":"0.1","originSize":"0.1","filledSize":"0.1","price":"0.938","matchPrice":"0.96738","matchSize":"0.1","tradeId":"5efab07a4ee4c7000a82d6d9","clientOid":"1593487481000313","remainSize":"0","status":"match","ts":1670329987311000000}}'
ORDER = b'{"id":"6717422bd51c29000775ea03","clientOid":"5c52e11203aa677f33e493fb","symbol":"BTC-USDT","opType":"DEAL","type":"limit","side":"buy","price":"70000","size":"0.00001","funds":"0.7","dealSize":"0.00001","dealFunds":"0.677176","remainSize":"0","remainFunds":"0.022824","cancelledSize":"0","cancelledFunds":"0","fee":"0.000677176","feeCurrency":"USDT","stp":null,"timeInForce":"GTC","postOnly":false,"hidden":false,"iceberg":false,"visibleSize":"0","cancelAfter":0,"channel":"API","remark":"order remarks","tags":null,"cancelExist":false,"tradeType":"TRADE","inOrderBook":false,"active":false,"tax":"0","createdAt":1729577515444,"lastUpdatedAt":1729577515481}'
FILL = b'{"id":19814995255305,"orderId":"6717422bd51c29000775ea03","counterOrderId":"67174228135f9e000709da8c","tradeId":11029373945659392,"symbol":"BTC-USDT","side":"buy","liquidity":"taker","type":"limit","forceTaker":false,"price":"67717.6","size":"0.00001","funds":"0.677176","fee":"0.000677176","feeRate":"0.001","feeCurrency":"USDT","stop":"","tradeType":"TRADE","taxRate":"0","tax":"0","createdAt":1729577515473}'
API_KEY = b'{"code":"200000","data":{"remark":"account1","apiKey":"6705f5c311545b000157d3eb","apiVersion":3,"permission":"General,Futures,Spot,Earn,InnerTransfer,Transfer,Margin","ipWhitelist":"203.**.154,103.**.34","createdAt":1728443843000,"uid":165111215,"isMaster":true}}'

NOW = 1_729_577_600_000
CREDENTIALS = Credentials(Secret.literal("demo-key"), Secret.literal("demo-secret"), Secret.literal("demo-passphrase"))
ACCOUNT = KucoinAccount("main", CREDENTIALS)


def row(sample: bytes, **fields: object) -> dict[str, Any]:
    return {**json.loads(sample), **fields}


def reply(data: object) -> bytes:
    return json.dumps({"code": "200000", "data": data}).encode()


def page(*rows: dict[str, Any], last_id: int = 0) -> bytes:
    return reply({"items": rows, "lastId": last_id})
