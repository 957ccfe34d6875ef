import type { SqlRegistryOptions } from '../../src/registry/sql/sql-registry.ts';

/** The bounds of a registry with a few users. */
export const registryOptions: Omit<SqlRegistryOptions, 'file'> = {
  busyMsMax: 1000,
  apiKeysPerUserMax: 10,
  sshKeysPerUserMax: 10,
  codeAttemptsMax: 5,
  appsPerUserMax: 10,
  permissionsPerAppMax: 10,
  logTokensPerAppMax: 10,
  drainsPerAppMax: 5,
};
