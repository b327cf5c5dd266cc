"""PostgreSQL 18's own libpq, asked for a token by OAUTHBEARER. Prints what came of it, and where it was sent for a token."""

import ctypes
import json
import os
import sys

pq = ctypes.CDLL(sys.argv[1])
token = os.environ["TOKEN"].encode()
asked = []


class Request(ctypes.Structure):
    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("poll", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    ]


BEARER_TOKEN = 1
HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))


@HOOK
def hook(kind, connection, request):
    if kind != BEARER_TOKEN:
        return 0
    asked.append([request.contents.openid_configuration.decode(), (request.contents.scope or b"").decode()])
    request.contents.token = token
    return 1


for name in ("PQerrorMessage", "PQgetvalue"):
    getattr(pq, name).restype = ctypes.c_char_p
for name in ("PQconnectdb", "PQexec"):
    getattr(pq, name).restype = ctypes.c_void_p
pq.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
for name in ("PQstatus", "PQerrorMessage", "PQfinish"):
    getattr(pq, name).argtypes = [ctypes.c_void_p]
pq.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]

pq.PQsetAuthDataHook(hook)
connection = pq.PQconnectdb(sys.argv[2].encode())
said = pq.PQerrorMessage(connection).decode()
row = None
if pq.PQstatus(connection) == 0:
    row = pq.PQgetvalue(pq.PQexec(connection, b"SELECT 'hello'"), 0, 0).decode()
pq.PQfinish(connection)
print(json.dumps({"row": row, "said": said, "asked": asked}))
