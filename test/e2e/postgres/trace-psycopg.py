"""A session whose client traces it itself: prints what libpq's PQtrace wrote."""

import tempfile

from psycopg import pq

connection = pq.PGconn.connect(b"")
with tempfile.NamedTemporaryFile() as file:
    connection.trace(file.fileno())
    connection.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
    connection.exec_(b"SELECT id, name, ssn, email FROM customers ORDER BY id")
    connection.exec_(b"SELECT nothing FROM customers")
    connection.exec_(b"DELETE FROM transfers")
    connection.exec_params(b"SELECT name, ssn, dob FROM customers WHERE id = $1", [b"1"], result_format=1)
    connection.prepare(b"s", b"SELECT $1::text, $2::int4", [25, 23])
    connection.describe_prepared(b"s")
    connection.exec_prepared(b"s", [b"caf\xc3\xa9", None])
    connection.exec_(b"")
    connection.exec_(b"BEGIN")
    connection.exec_(b"COMMIT")
    connection.untrace()
    connection.finish()
    with open(file.name, "rb") as written:
        print(written.read().decode("utf-8"), end="")
