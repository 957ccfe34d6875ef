import { expect, test } from 'vitest';
import { isInternalName } from '../../../src/drains/egress/internal-name.ts';

test.each([
  'vector',
  'a.local',
  'metadata.google.internal',
  'db.ns.svc',
  'db.ns.svc.cluster.local',
  'x.home.arpa',
])('%s is internal', (name) => {
  expect(isInternalName(name)).toBe(true);
});

test.each(['example.com', 'local.example.com', 'notlocal.dev'])('%s is not', (name) => {
  expect(isInternalName(name)).toBe(false);
});
