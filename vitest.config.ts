import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

const ORDER = ['e2e', 'property', 'unit', 'golden', 'fault']

/** Begins with what waits most, and keeps each project's files together. */
class ProjectAfterProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- no array's
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => ORDER.indexOf(one.project.name) - ORDER.indexOf(other.project.name))
  }
}

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
    maxWorkers: availableParallelism() + 1, // tests wait as much as they work: for servers to start, mostly
    sequence: { sequencer: ProjectAfterProject },
    // Node loads the tests as it loads the gateway, without a transformation.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    projects: [
      project('unit', {
        globalSetup: ['test/support/debian-packages.ts', 'test/support/compile-regoc.ts'],
        isolate: false, // a worker goes from file to file with what is loaded already: leave its process as you found it
      }),
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
