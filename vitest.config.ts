import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** One project a kind of test; `npm test` runs all but `fault`; `npm run e2e` everything that needs real parts, kills and full disks among it. */
const project = (name: string, options: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    ...options,
  },
})

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    // For the gateways that tests start: what one has compiled the next need not.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('.cache/node', import.meta.url)) },
    maxWorkers: '100%', // vitest leaves one core idle of its own accord: half of a machine with two
    projects: [
      project('unit', { globalSetup: ['test/support/debian-packages.ts', 'test/support/compile-regoc.ts'] }),
      project('property'),
      project('golden'),
      project('e2e', {
        globalSetup: ['test/support/debian-packages.ts'],
        testTimeout: 120_000,
      }),
      project('fault', { fileParallelism: false, testTimeout: 300_000 }),
    ],
  },
})
export default config
