"""What SQLAlchemy's Core and ORM see over psycopg 3, step by step (../steps.ts), over the connection that PG* variables give."""

import threading

from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, create_engine, exc, inspect, select, text
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool

from report import ERRORS, FOREVER, TYPES, report

ENGINE = create_engine("postgresql+psycopg://", poolclass=NullPool)


class Base(DeclarativeBase):
    pass


class Written(Base):
    __tablename__ = "drivers_write"
    id = Column(Integer, primary_key=True)
    name = Column(String, unique=True)
    amount = Column(Numeric)


def code(error):
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) or f"{type(error).__name__}: {error}"


def failing(connection, query):
    try:
        with connection.begin_nested():
            return plain(connection.execute(text(query)))
    except exc.DBAPIError as error:
        return code(error)


def plain(rows):
    return [list(row) for row in rows]


def table(name):
    with ENGINE.connect() as connection:
        return Table(name, MetaData(), autoload_with=connection)


def types(connection):
    return plain(connection.execute(text(TYPES.replace(":", r"\:"))))


def read(connection):
    query = text("SELECT id, balance FROM accounts WHERE id >= :id ORDER BY id")
    return plain(connection.execute(query, {"id": 20}))


def labelled(connection):
    return plain(connection.execute(text("SELECT name, ssn FROM customers WHERE id = :id"), {"id": 1}))


def prepared(connection):
    query = text("SELECT id, amount FROM transfers WHERE id = :id")
    return [plain(connection.execute(query, {"id": each})) for each in (1, 2, 1, 2, 1, 2, 1)]


def transactions(connection):
    seen = [failing(connection, "SELECT 1/0"), plain(connection.execute(text("SELECT 2")))]
    connection.rollback()
    with connection.begin():
        seen.append(plain(connection.execute(text("SELECT 3"))))
    serializable = connection.execution_options(isolation_level="SERIALIZABLE")
    return [*seen, plain(serializable.execute(text("SELECT 4")))]


def errors(connection):
    return [failing(connection, each.replace("::int4", r"\:\:int4")) for each in ERRORS]


def cancel(connection):
    ended = threading.Event()
    driver = connection.connection.driver_connection

    def stop():
        while not ended.wait(0.3):
            driver.cancel_safe()

    stopper = threading.Thread(target=stop)
    stopper.start()
    how = failing(connection, FOREVER)
    ended.set()
    stopper.join()
    return [how, plain(connection.execute(text("SELECT 1")))]


def many(connection):
    """Lazy and eager loads of an ordinary program: a join, an IN list, a count, a page."""
    with Session(connection) as session:
        return [
            plain(session.execute(text(query)))
            for query in (
                "SELECT a.id, c.name FROM accounts a JOIN customers c ON c.id = a.customer_id ORDER BY a.id",
                "SELECT id FROM accounts WHERE id IN (10, 20, 30) ORDER BY id",
                "SELECT count(*) AS n FROM transfers",
                "SELECT id, amount FROM transfers ORDER BY id LIMIT 2 OFFSET 1",
            )
        ]


def reflect(connection):
    """What the inspector asks the catalogue of a table."""
    inspector = inspect(connection)
    columns = [(each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns("accounts")]
    return [
        sorted(inspector.get_table_names()),
        columns,
        inspector.get_pk_constraint("accounts"),
        inspector.get_foreign_keys("accounts"),
        inspector.get_indexes("accounts"),
        inspector.get_unique_constraints("accounts"),
        inspector.get_check_constraints("accounts"),
        sorted(inspector.get_view_names()),
        inspector.get_table_comment("accounts"),
    ]


def cursor(connection):
    """A server-side cursor: DECLARE and FETCH."""
    streamed = connection.execution_options(stream_results=True, max_row_buffer=10)
    return [len(rows) for rows in streamed.execute(text("SELECT generate_series(1, 25)")).partitions(10)]


def write(connection):
    Base.metadata.drop_all(connection)
    Base.metadata.create_all(connection)
    with Session(connection) as session:
        session.add_all([Written(name="a", amount=1), Written(name="b", amount=2)])
        session.commit()
        session.get(Written, 1).amount = 3
        session.delete(session.scalars(select(Written).where(Written.name == "b")).one())
        session.commit()
        left = [(each.id, each.name, each.amount) for each in session.scalars(select(Written))]
    twice = failing(connection, "INSERT INTO drivers_write (name) VALUES ('a')")
    connection.rollback()
    Base.metadata.drop_all(connection)
    connection.commit()
    return [left, twice]


STEPS = {each.__name__: each for each in (
    types, read, labelled, prepared, transactions, errors, cancel, many, reflect, cursor, write,
)}


def over(step):
    with ENGINE.connect() as connection:
        return step(connection)


report(STEPS, code, over)
