// What pgx sees, step by step (../../steps.ts), over the connection that PG* variables give.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const types = `SELECT 1::int2 AS a, -2::int4 AS b, 9223372036854775807::int8 AS c, 12.340::numeric AS d, 1.5::float8 AS e,
  'žlutý 🐎'::text AS f, true AS g, NULL::int4 AS h, ARRAY[1, NULL, 3] AS i, '{"a": [1, null]}'::jsonb AS j,
  '\x00ff'::bytea AS k, '2026-01-02'::date AS l, '2026-01-02 03:04:05.678+00'::timestamptz AS m,
  '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid AS n`

const forever = "SELECT count(*) FROM generate_series(1, 1000000000000)"

type step func(context.Context, *pgx.Conn) (any, error)

func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return err.Error()
}

// rows gives every value as Go prints it.
func rows(ctx context.Context, conn pgx.Tx, sql string, arguments ...any) (any, error) {
	found, err := conn.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return collected(found)
}

func collected(found pgx.Rows) (any, error) {
	return pgx.CollectRows(found, func(row pgx.CollectableRow) ([]string, error) {
		values, err := row.Values()
		texts := make([]string, len(values))
		for index, value := range values {
			texts[index] = fmt.Sprint(value)
		}
		return texts, err
	})
}

func ask(ctx context.Context, conn *pgx.Conn, sql string, arguments ...any) (any, error) {
	found, err := conn.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return collected(found)
}

// or gives what came, or the code of what went wrong.
func or(value any, err error) any {
	if err != nil {
		return code(err)
	}
	return value
}

var steps = map[string]step{
	"types": func(ctx context.Context, conn *pgx.Conn) (any, error) { return ask(ctx, conn, types) },
	"read": func(ctx context.Context, conn *pgx.Conn) (any, error) {
		return ask(ctx, conn, "SELECT id, balance FROM accounts WHERE id >= $1 ORDER BY id", 20)
	},
	"labelled": func(ctx context.Context, conn *pgx.Conn) (any, error) {
		return ask(ctx, conn, "SELECT name, ssn FROM customers WHERE id = $1", 1)
	},
	"prepared":     prepared,
	"transactions": transactions,
	"errors":       failures,
	"cancel":       cancel,
	"many":         many,
	"write":        write,
	"copy_out":     copyOut,
	"copy_in":      copyIn,
}

func prepared(ctx context.Context, conn *pgx.Conn) (any, error) {
	description, err := conn.Prepare(ctx, "p", "SELECT id, amount FROM transfers WHERE id = $1")
	if err != nil {
		return nil, err
	}
	seen := []any{description.ParamOIDs}
	for _, id := range []int{1, 2, 1} {
		seen = append(seen, or(ask(ctx, conn, "p", id)))
	}
	simple, err := ask(ctx, conn, "SELECT id, amount FROM transfers WHERE id = $1", pgx.QueryExecModeSimpleProtocol, 1)
	seen = append(seen, or(simple, err))
	return append(seen, or(ask(ctx, conn, "SELECT $1::text", pgx.QueryExecModeExec, "x"))), conn.Deallocate(ctx, "p")
}

func transactions(ctx context.Context, conn *pgx.Conn) (any, error) {
	seen := []any{}
	failed := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		seen = append(seen, or(rows(ctx, tx, "SELECT 1/0")))
		_, err := rows(ctx, tx, "SELECT 1")
		return err
	})
	seen = append(seen, or(nil, failed))
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		saved := pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			_, err := rows(ctx, inner, "SELECT 'x'::int4")
			return err
		})
		seen = append(seen, or(nil, saved), or(rows(ctx, tx, "SELECT 2")))
		return nil
	})
	return append(seen, or(ask(ctx, conn, "SELECT 3"))), err
}

func failures(ctx context.Context, conn *pgx.Conn) (any, error) {
	seen := []any{}
	for _, sql := range []string{
		"SELECT 1/0", "SELECT 'x'::int4", "SELECT * FRM t", "SELECT nothing FROM accounts", "TABLE nowhere",
	} {
		seen = append(seen, or(ask(ctx, conn, sql)))
	}
	return seen, nil
}

func cancel(ctx context.Context, conn *pgx.Conn) (any, error) {
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ended:
				return
			case <-time.After(300 * time.Millisecond):
				_ = conn.PgConn().CancelRequest(ctx)
			}
		}
	}()
	_, err := conn.Exec(ctx, forever)
	close(ended)
	<-stopped
	return []any{or(nil, err), or(ask(ctx, conn, "SELECT 1"))}, nil
}

// A batch is one pipeline up to its Sync.
func many(ctx context.Context, conn *pgx.Conn) (any, error) {
	batch := &pgx.Batch{}
	for id := 1; id <= 5; id++ {
		batch.Queue("SELECT id, balance FROM accounts WHERE customer_id = $1 ORDER BY id", id)
	}
	results := conn.SendBatch(ctx, batch)
	seen := []any{}
	for range batch.Len() {
		found, err := results.Query()
		if err != nil {
			return nil, err
		}
		seen = append(seen, or(collected(found)))
	}
	return seen, results.Close()
}

func write(ctx context.Context, conn *pgx.Conn) (any, error) {
	for _, sql := range []string{
		"DROP TABLE IF EXISTS drivers_write",
		"CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	insert := "INSERT INTO drivers_write (name, amount) VALUES ($1, $2), ($3, $4) RETURNING id"
	seen := []any{or(ask(ctx, conn, insert, "a", "1.10", "b", "2.20"))}
	seen = append(seen, or(ask(ctx, conn, "INSERT INTO drivers_write (name) VALUES ($1)", "a")))
	seen = append(seen, or(conn.Exec(ctx, "UPDATE drivers_write SET amount = amount + $1 WHERE name = $2", 1, "a")))
	seen = append(seen, or(conn.Exec(ctx, "DELETE FROM drivers_write WHERE name = $1", "b")))
	seen = append(seen, or(ask(ctx, conn, "SELECT name, amount::text FROM drivers_write")))
	_, err := conn.Exec(ctx, "DROP TABLE drivers_write")
	return seen, err
}

func copyOut(ctx context.Context, conn *pgx.Conn) (any, error) {
	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT")
	return []any{tag.String(), out.String()}, err
}

func copyIn(ctx context.Context, conn *pgx.Conn) (any, error) {
	for _, sql := range []string{"DROP TABLE IF EXISTS drivers_copy", "CREATE TABLE drivers_copy (a int, b text)"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	source := pgx.CopyFromRows([][]any{{1, "x"}, {2, "y"}, {3, nil}})
	count, err := conn.CopyFrom(ctx, pgx.Identifier{"drivers_copy"}, []string{"a", "b"}, source)
	seen := []any{or(count, err), or(ask(ctx, conn, "SELECT * FROM drivers_copy ORDER BY a"))}
	_, err = conn.Exec(ctx, "DROP TABLE drivers_copy")
	return seen, err
}

func run(name string) map[string]any {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	conn, err := pgx.Connect(ctx, "")
	if err != nil {
		return map[string]any{"step": name, "failed": code(err)}
	}
	defer conn.Close(ctx)
	saw, err := steps[name](ctx, conn)
	if err != nil {
		return map[string]any{"step": name, "failed": code(err)}
	}
	return map[string]any{"step": name, "saw": saw}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, name := range os.Args[1:] {
		if steps[name] == nil {
			continue
		}
		if err := out.Encode(run(name)); err != nil {
			panic(err)
		}
	}
}
