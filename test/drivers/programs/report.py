"""Runs the steps that the command line names, each over a connection of its own, and prints a line of JSON for each."""

import json
import sys

TYPES = """SELECT 1::int2 AS a, -2::int4 AS b, 9223372036854775807::int8 AS c, 12.340::numeric AS d, 1.5::float8 AS e,
  'žlutý 🐎'::text AS f, true AS g, NULL::int4 AS h, ARRAY[1, NULL, 3] AS i, '{"a": [1, null]}'::jsonb AS j,
  '\\x00ff'::bytea AS k, '2026-01-02'::date AS l, '2026-01-02 03:04:05.678+00'::timestamptz AS m,
  '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid AS n"""

ERRORS = ("SELECT 1/0", "SELECT 'x'::int4", "SELECT * FRM t", "SELECT nothing FROM accounts", "TABLE nowhere")
FOREVER = "SELECT count(*) FROM generate_series(1, 1000000000000)"


def report(steps, code_of, over):
    for name in sys.argv[1:]:
        step = steps.get(name)
        if step is None:
            continue
        try:
            line = {"step": name, "saw": over(step)}
        except Exception as error:  # each driver has its own family; what it is, is what is told
            line = {"step": name, "failed": code_of(error)}
        print(json.dumps(line, default=str), flush=True)
