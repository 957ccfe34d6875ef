/**
 * Who may import whom: the table of the design, as data. The rules below are generated from it, so that the
 * table is the only thing to read and to change. A folder may always import itself.
 */
const contracts = ['bus', 'config', 'registry', 'syslog'];
const folders = {
  core: [],
  config: ['core'],
  syslog: ['core'],
  bus: ['core'],
  registry: ['core'],
  ingest: ['core', ...contracts],
  router: ['core', ...contracts],
  drains: ['core', ...contracts],
  tail: ['core', ...contracts],
  controller: ['core', ...contracts],
  platform: ['core', ...contracts],
  admin: ['core', ...contracts],
  // These two speak HTTP and websockets with the rest, as anybody else's client would.
  cli: ['core'],
  console: ['core'],
};

/** Packages that belong to one place; replacing one then touches one folder. `app.ts` and `main.ts` may name any. */
const clients = {
  '@node-rs/crc32': ['core', 'bus', 'ingest', 'syslog'],
  fastify: ['controller'],
  'ipaddr.js': ['drains'],
  kysely: ['registry'],
  nodemailer: ['controller'],
  pino: [],
  'pino-pretty': [],
  'syslog-parse': ['syslog'],
  undici: ['drains'],
  ws: ['tail'],
};

const folderRules = Object.entries(folders).map(([folder, allowed]) => ({
  name: `${folder}-imports-only-${['itself', ...allowed].join('-')}`,
  comment: `src/${folder} may import ${allowed.length > 0 ? allowed.join(', ') : 'nothing of ours'}.`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
}));

const clientRules = Object.entries(clients).map(([name, owners]) => ({
  name: `${name}-has-one-home`,
  comment: `${name} is imported by ${owners.length > 0 ? owners.join(', ') : 'the files beside app.ts'} only.`,
  severity: 'error',
  from: { path: `^src/(?!(${owners.join('|') || '-'})/).+/` },
  to: { path: `(^|/)node_modules/(@types/)?${name.replaceAll('.', '\\.')}/` },
}));

export default {
  forbidden: [
    ...folderRules,
    ...clientRules,
    {
      name: 'metrics-in-metrics-files',
      comment: 'prom-client is imported by *-metrics.ts, by what creates them, and by admin only.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: ['-metrics\\.ts$', '/create-[^/]+$', '^src/admin/', '^src/[^/]+$'],
      },
      to: { path: '(^|/)node_modules/prom-client/' },
    },
    {
      name: 'no-folder-without-a-row',
      comment: 'A folder that the table does not name could import anything.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(folders).join('|')})/` },
      to: {},
    },
    {
      name: 'no-barrels',
      comment: 'Import the file that has it: a barrel hides who needs what.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/.*/index\\.ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'Modules that need each other are one module, or miss a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-tests',
      comment: 'What ships knows nothing of tests, benches and scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts)/' },
    },
    {
      name: 'no-development-packages',
      comment: 'Production installs dependencies only.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      comment: 'An import that leads nowhere hides whatever it should have been checked for.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Type-only imports count: a feature that knows another's types knows the other.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
