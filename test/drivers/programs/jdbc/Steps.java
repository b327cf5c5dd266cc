// What pgjdbc sees, step by step (../../steps.ts), over the connection that PG* variables give.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.postgresql.PGConnection;

public class Steps {
  static final String TYPES =
      """
      SELECT 1::int2 AS a, -2::int4 AS b, 9223372036854775807::int8 AS c, 12.340::numeric AS d, 1.5::float8 AS e,
        'žlutý 🐎'::text AS f, true AS g, NULL::int4 AS h, ARRAY[1, NULL, 3] AS i, '{"a": [1, null]}'::jsonb AS j,
        '2026-01-02'::date AS l, '2026-01-02 03:04:05.678+00'::timestamptz AS m,
        '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid AS n""";
  static final String[] ERRORS = {
    "SELECT 1/0", "SELECT 'x'::int4", "SELECT * FRM t", "SELECT nothing FROM accounts", "TABLE nowhere"
  };

  interface Step {
    Object over(Connection connection) throws Exception;
  }

  static List<Object> rows(ResultSet found) throws SQLException {
    List<Object> rows = new ArrayList<>();
    int columns = found.getMetaData().getColumnCount();
    while (found.next()) {
      List<Object> row = new ArrayList<>();
      for (int column = 1; column <= columns; column++) row.add(found.getString(column));
      rows.add(row);
    }
    return rows;
  }

  static Object ask(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
      return statement.execute() ? rows(statement.getResultSet()) : statement.getUpdateCount();
    }
  }

  static Object or(Connection connection, String sql, Object... values) {
    try {
      return ask(connection, sql, values);
    } catch (SQLException error) {
      return error.getSQLState();
    }
  }

  static Object prepared(Connection connection) throws SQLException {
    List<Object> seen = new ArrayList<>();
    // Past prepareThreshold (5) the driver names its statement and asks for binary values.
    try (PreparedStatement statement = connection.prepareStatement("SELECT id, amount FROM transfers WHERE id = ?")) {
      seen.add(statement.getMetaData().getColumnName(2));
      for (int time = 0; time < 8; time++) {
        statement.setLong(1, 1 + time % 2);
        seen.add(rows(statement.executeQuery()));
      }
    }
    return seen;
  }

  static Object transactions(Connection connection) throws SQLException {
    List<Object> seen = new ArrayList<>();
    connection.setAutoCommit(false);
    connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
    seen.add(or(connection, "SELECT 1/0"));
    seen.add(or(connection, "SELECT 1"));
    connection.rollback();
    Savepoint saved = connection.setSavepoint();
    seen.add(or(connection, "SELECT 'x'::int4"));
    connection.rollback(saved);
    seen.add(or(connection, "SELECT 2"));
    connection.commit();
    connection.setReadOnly(true);
    seen.add(or(connection, "SELECT 3"));
    connection.commit();
    return seen;
  }

  static Object errors(Connection connection) {
    List<Object> seen = new ArrayList<>();
    for (String sql : ERRORS) seen.add(or(connection, sql));
    return seen;
  }

  static Object cancel(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1); // the driver sends a cancel request
      statement.executeQuery("SELECT count(*) FROM generate_series(1, 1000000000000)");
      return "it ended";
    } catch (SQLException error) {
      return List.of(error.getSQLState(), ask(connection, "SELECT 1"));
    }
  }

  static Object many(Connection connection) throws SQLException {
    List<Object> seen = new ArrayList<>();
    try (Statement statement = connection.createStatement()) {
      boolean more = statement.execute("SELECT 'a'; SELECT id FROM accounts ORDER BY id; SELECT 'b'");
      while (more) {
        seen.add(rows(statement.getResultSet()));
        more = statement.getMoreResults();
      }
    }
    return seen;
  }

  static Object reflect(Connection connection) throws SQLException {
    DatabaseMetaData about = connection.getMetaData();
    return List.of(
        rows(about.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})),
        rows(about.getColumns(null, "public", "accounts", "%")),
        rows(about.getPrimaryKeys(null, "public", "accounts")),
        rows(about.getImportedKeys(null, "public", "accounts")),
        rows(about.getIndexInfo(null, "public", "accounts", false, false)),
        rows(about.getSchemas()));
  }

  static Object cursor(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.setFetchSize(10);
      int count = rows(statement.executeQuery("SELECT generate_series(1, 25)")).size();
      connection.commit();
      return count;
    }
  }

  static Object write(Connection connection) throws SQLException {
    ask(connection, "DROP TABLE IF EXISTS drivers_write");
    ask(connection, "CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)");
    List<Object> seen = new ArrayList<>();
    String insert = "INSERT INTO drivers_write (name) VALUES (?)";
    try (PreparedStatement statement = connection.prepareStatement(insert, Statement.RETURN_GENERATED_KEYS)) {
      for (String name : new String[] {"a", "b", "c"}) {
        statement.setString(1, name);
        statement.addBatch();
      }
      for (int count : statement.executeBatch()) seen.add(count);
      seen.add(rows(statement.getGeneratedKeys()));
    }
    seen.add(or(connection, insert, "a"));
    seen.add(ask(connection, "UPDATE drivers_write SET amount = ? WHERE name = ?", new java.math.BigDecimal("1.10"), "a"));
    seen.add(ask(connection, "DELETE FROM drivers_write WHERE name = ?", "b"));
    seen.add(ask(connection, "SELECT name, amount FROM drivers_write ORDER BY name"));
    ask(connection, "DROP TABLE drivers_write");
    return seen;
  }

  static Object copyOut(Connection connection) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    String sql = "COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT";
    long count = connection.unwrap(PGConnection.class).getCopyAPI().copyOut(sql, out);
    return List.of(count, out.toString(StandardCharsets.UTF_8));
  }

  static Object copyIn(Connection connection) throws Exception {
    ask(connection, "DROP TABLE IF EXISTS drivers_copy");
    ask(connection, "CREATE TABLE drivers_copy (a int, b text)");
    byte[] lines = "1\tx\n2\ty\n3\t\\N\n".getBytes(StandardCharsets.UTF_8);
    long count =
        connection
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyIn("COPY drivers_copy FROM STDIN", new ByteArrayInputStream(lines));
    Object rows = ask(connection, "SELECT * FROM drivers_copy ORDER BY a");
    ask(connection, "DROP TABLE drivers_copy");
    return List.of(count, rows);
  }

  static final Map<String, Step> STEPS = new LinkedHashMap<>();

  static {
    STEPS.put("types", connection -> ask(connection, TYPES));
    STEPS.put("read", connection -> ask(connection, "SELECT id, balance FROM accounts WHERE id >= ? ORDER BY id", 20));
    STEPS.put("labelled", connection -> ask(connection, "SELECT name, ssn FROM customers WHERE id = ?", 1));
    STEPS.put("prepared", Steps::prepared);
    STEPS.put("transactions", Steps::transactions);
    STEPS.put("errors", Steps::errors);
    STEPS.put("cancel", Steps::cancel);
    STEPS.put("many", Steps::many);
    STEPS.put("reflect", Steps::reflect);
    STEPS.put("cursor", Steps::cursor);
    STEPS.put("write", Steps::write);
    STEPS.put("copy_out", Steps::copyOut);
    STEPS.put("copy_in", Steps::copyIn);
  }

  static String json(Object value) {
    if (value == null) return "null";
    if (value instanceof Number) return value.toString();
    if (value instanceof List<?> list) return "[" + String.join(",", list.stream().map(Steps::json).toList()) + "]";
    StringBuilder text = new StringBuilder("\"");
    for (char each : value.toString().toCharArray()) {
      if (each == '"' || each == '\\') text.append('\\').append(each);
      else if (each < ' ') text.append(String.format("\\u%04x", (int) each));
      else text.append(each);
    }
    return text.append('"').toString();
  }

  static String run(String name) {
    Properties properties = new Properties();
    properties.setProperty("user", System.getenv("PGUSER"));
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    properties.setProperty("sslmode", "disable");
    String place = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
    String step = "{\"step\":" + json(name);
    try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + place, properties)) {
      return step + ",\"saw\":" + json(STEPS.get(name).over(connection)) + "}";
    } catch (SQLException error) {
      return step + ",\"failed\":" + json(error.getSQLState()) + "}";
    } catch (Exception error) {
      return step + ",\"failed\":" + json(error.toString()) + "}";
    }
  }

  public static void main(String[] names) {
    var out = new java.io.PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String name : names) if (STEPS.containsKey(name)) out.println(run(name));
  }
}
