/** Values of many types; the first column has a name, so that a driver that makes objects keeps them all. */
export const TYPES = `SELECT 1::int2 AS a, -2::int4 AS b, 9223372036854775807::int8 AS c, 12.340::numeric AS d, 1.5::float8 AS e,
  'žlutý 🐎'::text AS f, true AS g, NULL::int4 AS h, ARRAY[1, NULL, 3] AS i, '{"a": [1, null]}'::jsonb AS j,
  '\\x00ff'::bytea AS k, '2026-01-02'::date AS l, '2026-01-02 03:04:05.678+00'::timestamptz AS m,
  '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid AS n`

/** Runs the steps that the command line names, each over a connection of its own, and prints a line of JSON for each. */
export async function report<Connection>(
  steps: Readonly<Record<string, (connection: Connection) => Promise<unknown>>>,
  codeOf: (error: unknown) => string,
  over: (step: (connection: Connection) => Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  for (const name of process.argv.slice(2)) {
    const step = steps[name]
    if (step === undefined) continue
    try {
      process.stdout.write(`${JSON.stringify({ step: name, saw: await over(step) })}\n`)
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ step: name, failed: codeOf(error) })}\n`)
    }
  }
}
