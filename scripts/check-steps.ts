/** What `npm run check` runs, in the order of their duration. Every command can fail, which `test/tooling` proves. */
export const checkSteps = [
  { name: 'documents and tools', command: 'vitest run test/docs test/tooling' },
  { name: 'types', command: 'tsc --noEmit' },
  { name: 'lint', command: 'oxlint --type-aware --deny-warnings' },
  { name: 'format', command: 'prettier --check --log-level warn .' },
  { name: 'unused', command: 'knip --no-config-hints' },
  { name: 'imports', command: 'node scripts/check-imports.ts' },
] as const;
