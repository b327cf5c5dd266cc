"""What asyncpg sees, step by step (../steps.ts), over the connection that PG* variables give."""

import asyncio
import io

import asyncpg

from report import ERRORS, FOREVER, TYPES, report


def code(error):
    return getattr(error, "sqlstate", None) or f"{type(error).__name__}: {error}"


async def failing(work):
    try:
        return await work
    except Exception as error:
        return code(error)


def plain(rows):
    return [list(row) for row in rows]


async def types(connection):
    return plain(await connection.fetch(TYPES))


async def read(connection):
    return plain(await connection.fetch("SELECT id, balance FROM accounts WHERE id >= $1 ORDER BY id", 20))


async def labelled(connection):
    return plain(await connection.fetch("SELECT name, ssn FROM customers WHERE id = $1", 1))


async def prepared(connection):
    statement = await connection.prepare("SELECT id, amount FROM transfers WHERE id = $1")
    names = [attribute.name for attribute in statement.get_attributes()]
    return [names, *[plain(await statement.fetch(each)) for each in (1, 2, 1)]]


async def transactions(connection):
    seen = []

    async def fails():
        async with connection.transaction():
            await connection.fetch("SELECT 1/0")

    async def goes_on():
        async with connection.transaction():
            seen.append(await failing(connection.fetch("SELECT 1/0")))
            await connection.fetch("SELECT 1")

    seen.append(await failing(fails()))
    seen.append(await failing(goes_on()))
    async with connection.transaction(isolation="repeatable_read", readonly=True):

        async def saved():
            async with connection.transaction():
                await connection.fetch("SELECT 'x'::int4")

        seen.append(await failing(saved()))
        seen.append(await connection.fetchval("SELECT 2"))
    return [*seen, await connection.fetchval("SELECT 3")]


async def errors(connection):
    return [await failing(connection.fetch(each)) for each in ERRORS]


async def cancel(connection):
    """A time limit of the driver's: it sends a cancel request."""
    ended = await failing(connection.fetch(FOREVER, timeout=0.7))
    return [ended, await connection.fetchval("SELECT 1")]


async def many(connection):
    """executemany is one pipeline of Bind and Execute."""
    await connection.executemany("SELECT balance FROM accounts WHERE id = $1", [(10,), (20,), (30,)])
    return await connection.fetchval("SELECT 1")


async def cursor(connection):
    sizes = []
    async with connection.transaction():
        opened = await connection.cursor("SELECT generate_series(1, 25)")
        while rows := await opened.fetch(10):
            sizes.append(len(rows))
    return sizes


async def write(connection):
    await connection.execute("DROP TABLE IF EXISTS drivers_write")
    await connection.execute("CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)")
    insert = "INSERT INTO drivers_write (name, amount) VALUES ($1, 1.10), ($2, 2.20) RETURNING id"
    ids = plain(await connection.fetch(insert, "a", "b"))
    twice = await failing(connection.execute("INSERT INTO drivers_write (name) VALUES ($1)", "a"))
    changed = await connection.execute("UPDATE drivers_write SET amount = amount + 1 WHERE name = $1", "a")
    gone = await connection.execute("DELETE FROM drivers_write WHERE name = $1", "b")
    left = plain(await connection.fetch("SELECT name, amount FROM drivers_write"))
    await connection.execute("DROP TABLE drivers_write")
    return [ids, twice, changed, gone, left]


async def copy_out(connection):
    output = io.BytesIO()
    status = await connection.copy_from_query("SELECT id, amount FROM transfers ORDER BY id", output=output)
    return [status, output.getvalue().decode()]


async def copy_in(connection):
    await connection.execute("DROP TABLE IF EXISTS drivers_copy")
    await connection.execute("CREATE TABLE drivers_copy (a int, b text)")
    status = await connection.copy_records_to_table("drivers_copy", records=[(1, "x"), (2, "y"), (3, None)])
    rows = plain(await connection.fetch("SELECT * FROM drivers_copy ORDER BY a"))
    await connection.execute("DROP TABLE drivers_copy")
    return [status, rows]


STEPS = {each.__name__: each for each in (
    types, read, labelled, prepared, transactions, errors, cancel, many, cursor, write, copy_out, copy_in,
)}


def over(step):
    async def run():
        connection = await asyncpg.connect(ssl=False)
        try:
            return await step(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


report(STEPS, code, over)
