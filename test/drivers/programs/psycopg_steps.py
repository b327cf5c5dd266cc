"""What psycopg 3 sees, step by step (../steps.ts), over the connection that PG* variables give."""

import threading

import psycopg

from report import ERRORS, FOREVER, TYPES, report


def code(error):
    return getattr(error, "sqlstate", None) or f"{type(error).__name__}: {error}"


def failing(connection, query):
    try:
        with connection.transaction():
            return connection.execute(query).fetchall()
    except psycopg.Error as error:
        return code(error)


def types(connection):
    with connection.cursor(binary=True) as cursor:
        return [connection.execute(TYPES).fetchall(), cursor.execute(TYPES).fetchall()]


def read(connection):
    return connection.execute("SELECT id, balance FROM accounts WHERE id >= %s ORDER BY id", (20,)).fetchall()


def labelled(connection):
    return connection.execute("SELECT name, ssn FROM customers WHERE id = %s", (1,)).fetchall()


def prepared(connection):
    query = "SELECT id, amount FROM transfers WHERE id = %s"
    return [connection.execute(query, (each,), prepare=True).fetchall() for each in (1, 2, 1)]


def transactions(connection):
    seen = []
    with connection.transaction():
        seen.append(failing(connection, "SELECT 1/0"))
        seen.append(connection.execute("SELECT 2").fetchall())
        seen.append(connection.info.transaction_status.name)
    return [*seen, connection.info.transaction_status.name]


def errors(connection):
    return [failing(connection, each) for each in ERRORS]


def cancel(connection):
    ended = threading.Event()

    def stop():
        while not ended.wait(0.3):
            connection.cancel_safe()

    stopper = threading.Thread(target=stop)
    stopper.start()
    how = failing(connection, FOREVER)
    ended.set()
    stopper.join()
    return [how, connection.execute("SELECT 1").fetchall()]


def many(connection):
    with connection.pipeline():
        query = "SELECT id, balance FROM accounts WHERE customer_id = %s ORDER BY id"
        cursors = [connection.execute(query, (each,)) for each in range(1, 6)]
    return [cursor.fetchall() for cursor in cursors]


def cursor(connection):
    """psycopg's named cursor: DECLARE and FETCH."""
    sizes = []
    with connection.transaction(), connection.cursor(name="c") as named:
        named.execute("SELECT generate_series(1, 25)")
        while rows := named.fetchmany(10):
            sizes.append(len(rows))
    return sizes


def write(connection):
    connection.execute("DROP TABLE IF EXISTS drivers_write")
    connection.execute("CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)")
    insert = "INSERT INTO drivers_write (name, amount) VALUES (%s, %s) RETURNING id"
    with connection.cursor() as cursor:
        cursor.executemany(insert, [("a", "1.10"), ("b", "2.20")], returning=True)
        ids = [result.fetchall() for result in cursor.results()]
    twice = failing(connection, "INSERT INTO drivers_write (name) VALUES ('a')")
    changed = connection.execute("UPDATE drivers_write SET amount = amount + 1 WHERE name = %s", ("a",)).rowcount
    gone = connection.execute("DELETE FROM drivers_write WHERE name = %s", ("b",)).rowcount
    left = connection.execute("SELECT name, amount FROM drivers_write").fetchall()
    connection.execute("DROP TABLE drivers_write")
    return [ids, twice, changed, gone, left]


def copy_out(connection):
    seen = []
    for format in ("text", "csv", "binary"):
        query = f"COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT (FORMAT {format})"
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            seen.append(b"".join(copy).hex())
    return seen


def copy_in(connection):
    connection.execute("DROP TABLE IF EXISTS drivers_copy")
    connection.execute("CREATE TABLE drivers_copy (a int, b text)")
    with connection.cursor() as cursor, cursor.copy("COPY drivers_copy FROM STDIN") as copy:
        for row in ((1, "x"), (2, "y"), (3, None)):
            copy.write_row(row)
    rows = connection.execute("SELECT * FROM drivers_copy ORDER BY a").fetchall()
    connection.execute("DROP TABLE drivers_copy")
    return rows


STEPS = {each.__name__: each for each in (
    types, read, labelled, prepared, transactions, errors, cancel, many, cursor, write, copy_out, copy_in,
)}


def over(step):
    with psycopg.connect(autocommit=True) as connection:
        return step(connection)


report(STEPS, code, over)
