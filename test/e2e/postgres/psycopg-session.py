"""What psycopg 3 sees: runs the named scenario over the connection that PG* variables give, prints JSON."""

import asyncio
import json
import sys
import threading
import time

import psycopg
from psycopg.types.json import Jsonb

TYPES = """SELECT 1::int2, -2::int4, 9223372036854775807::int8, 12.340::numeric, 1.5::float4, 'x'::text, 'žlutý 🐎'::varchar,
  true, NULL::int4, ARRAY[1, NULL, 3], ARRAY['a', 'b,"c'], '{"a": [1, null]}'::json, '{"b": 2}'::jsonb,
  '\\x00ff'::bytea, '2026-01-02'::date, '2026-01-02 03:04:05.678+02'::timestamptz, '3 days 04:05'::interval,
  '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid, '10.0.0.1'::inet, ''::text"""


def rows_of(connection, query, values=None, *, binary):
    with connection.cursor(binary=binary) as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def refused(connection, query, values=None):
    try:
        with connection.transaction():
            connection.execute(query, values)
    except psycopg.Error as error:
        return {"sqlstate": error.sqlstate, "hint": error.diag.message_hint, "message": error.diag.message_primary}
    return None


def types(connection):
    return [
        rows_of(connection, query, binary=binary)
        for binary in (False, True)
        for query in (TYPES, "SELECT * FROM transfers ORDER BY id", "SELECT id, balance FROM accounts ORDER BY id")
    ]


def parameters(connection):
    query = "SELECT %s::int4, %s::text, %s::numeric, %s::jsonb, %s::bool, %b::int8, %t::text"
    values = (42, "O'Hara; --", "1.10", Jsonb({"a": 1}), None, 7, "t")
    return [rows_of(connection, query, values, binary=binary) for binary in (False, True)]


def masked(connection):
    query = "SELECT ssn, email, phone, dob FROM customers WHERE id = %s"
    return [rows_of(connection, query, (1,), binary=binary) for binary in (False, True)]


def prepared(connection):
    query = "SELECT name, ssn FROM customers WHERE id = %s"
    return [connection.execute(query, (each,), prepare=True).fetchone() for each in (1, 2, 1, 2)]


def many(connection):
    with connection.cursor() as cursor:
        cursor.executemany("SELECT ssn FROM customers WHERE id = %s", [(1,), (2,), (3,)], returning=True)
        seen = [cursor.fetchone()]
        while cursor.nextset():
            seen.append(cursor.fetchone())
    return seen


def pipeline(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT id, ssn FROM customers WHERE id = %s", (each,)) for each in range(1, 6)]
    return [cursor.fetchone() for cursor in cursors]


def pipeline_refused(connection):
    """The refusal in the middle of a pipeline: what came before it, what it says, and that life goes on."""
    try:
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.execute("DELETE FROM transfers")
            connection.execute("SELECT 2")
        error = None
    except psycopg.Error as raised:
        error = raised.sqlstate
    connection.rollback()
    return [error, connection.execute("SELECT 3").fetchone()]


def stream(connection):
    with connection.cursor() as cursor:
        return list(cursor.stream("SELECT id, ssn FROM customers WHERE id < 6 ORDER BY id"))


def transactions(connection):
    states = [connection.info.transaction_status.name]
    with connection.transaction():
        connection.execute("SELECT 1")
        states.append(connection.info.transaction_status.name)
        states.append(refused(connection, "SELECT 1/0")["sqlstate"])
        states.append(connection.execute("SELECT 2").fetchone())
    states.append(connection.info.transaction_status.name)
    return states


def errors(connection):
    queries = ("SELECT 1/0", "SELECT 'x'::int4", "SELECT * FRM t", "SELECT '2026-02-30'::date")
    return [refused(connection, query)["sqlstate"] for query in queries]


def denied(connection):
    return [refused(connection, "DELETE FROM transfers WHERE id = %s", (1,)), connection.execute("SELECT 1").fetchone()]


def server_cursor(connection):
    """psycopg's named cursor is an SQL cursor (DECLARE, FETCH)."""
    with connection.transaction():
        with connection.cursor(name="c") as cursor:
            cursor.execute("SELECT id, ssn FROM customers WHERE id < %s ORDER BY id", (4,))
            first = cursor.fetchone()
        with connection.cursor(name="c", binary=True, scrollable=True) as cursor:
            cursor.itersize = 2
            cursor.execute("SELECT id, ssn FROM customers WHERE id < 4 ORDER BY id")
            rows = list(cursor)
            cursor.scroll(0, mode="absolute")
            again = cursor.fetchmany(2)
    with connection.cursor(name="h", withhold=True) as cursor:
        cursor.execute("SELECT id, ssn FROM customers WHERE id < 4 ORDER BY id")
        held = cursor.fetchall()
    return [first, rows, again, held]


def cancel(connection):
    query = "SELECT count(*) FROM generate_series(1, 1000000000000)"
    timer = threading.Timer(0.7, connection.cancel_safe)
    timer.start()
    began = time.monotonic()
    ended = refused(connection, query)
    timer.join()
    return [ended["sqlstate"], time.monotonic() - began < 10, connection.execute("SELECT 1").fetchone()]


def asynchronous(_):
    async def run():
        async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
            cursor = await connection.execute("SELECT ssn FROM customers WHERE id = 5")
            return await cursor.fetchone()

    return asyncio.run(run())


SCENARIOS = {each.__name__: each for each in (
    types, parameters, masked, prepared, many, pipeline, pipeline_refused, stream, transactions, errors, denied,
    server_cursor, cancel, asynchronous,
)}

with psycopg.connect(autocommit=True) as opened:
    print(json.dumps({name: SCENARIOS[name](opened) for name in sys.argv[1:]}, default=str))
