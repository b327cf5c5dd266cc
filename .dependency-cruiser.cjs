/** The walls between rooms; `npm run check` refuses a change that goes through one. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'engine-knows-no-plane',
      comment: 'The engine decides and records; a protocol is a plane’s own.',
      severity: 'error',
      from: { path: '^engine/' },
      to: { path: '^(planes|cli|console|test)/' },
    },
    {
      name: 'engine-knows-no-protocol-library',
      severity: 'error',
      from: { path: '^engine/' },
      to: { path: 'node_modules/(libpg-query|undici|@grpc|@aws-sdk|@smithy)/' },
    },
    {
      name: 'planes-enter-the-engine-by-its-door',
      comment: 'A plane may import engine/index.ts and engine/plane.ts, nothing deeper.',
      severity: 'error',
      from: { path: '^planes/' },
      to: { path: '^engine/', pathNot: '^engine/(index|plane)\\.ts$' },
    },
    {
      name: 'no-plane-imports-another',
      severity: 'error',
      from: { path: '^planes/([^/]+)/' },
      to: { path: '^planes/', pathNot: '^planes/$1/' },
    },
    {
      name: 'planes-know-no-front',
      severity: 'error',
      from: { path: '^planes/' },
      to: { path: '^(cli|console|test)/' },
    },
    {
      name: 'fronts-enter-rooms-by-their-door',
      comment: 'cli and console come in by a room’s index.ts.',
      severity: 'error',
      from: { path: '^(cli|console)/' },
      to: {
        path: '^(engine|planes)/',
        pathNot: '^(engine/index\\.ts|engine/[^/]+/index\\.ts|engine/replay/browser\\.ts|planes/[^/]+/index\\.ts)$',
      },
    },
    {
      name: 'evidence-stands-alone',
      comment: 'An auditor verifies a log without policy, identity or approvals.',
      severity: 'error',
      from: { path: '^engine/evidence/' },
      to: { path: '^engine/', pathNot: '^engine/(evidence/|errors\\.ts$|access-request\\.ts$|verdict\\.ts$)' },
    },
    {
      name: 'policy-stands-alone',
      severity: 'error',
      from: { path: '^engine/policy/' },
      to: { path: '^engine/', pathNot: '^engine/(policy/|errors\\.ts$|access-request\\.ts$|verdict\\.ts$)' },
    },
    {
      name: 'rooms-do-not-know-the-gateway',
      severity: 'error',
      from: { path: '^engine/(policy|identity|approvals|evidence|controls|state|lifecycle|shadow)/' },
      to: { path: '^engine/(gateway|registry|index|plane|config)\\.ts$' },
    },
    {
      name: 'replay-runs-in-a-browser',
      comment: 'What a page is made with, and an auditor’s check: no module of Node, and no other room but by type.',
      severity: 'error',
      from: { path: '^(engine/replay/|console/app/)', pathNot: '^engine/replay/(index|collect|sessions)\\.ts$' },
      to: { pathNot: '^(engine/replay/|console/app/)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pages-take-no-node-part-of-replay',
      severity: 'error',
      from: { path: '^(engine/replay/|console/app/)', pathNot: '^engine/replay/(index|collect|sessions)\\.ts$' },
      to: { path: '^engine/replay/(index|collect|sessions)\\.ts$' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-development-dependency-in-product',
      severity: 'error',
      from: { path: '^(engine|planes|cli|console)/', pathNot: '^console/vite\\.config\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
