import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { AppError, DependencyError } from '../../core/errors.ts';
import { Changes } from '../changes.ts';
import type { KeyRing } from '../key-ring.ts';
import type { DrainRow, Registry, RegistryChange, TokenOwner } from '../registry.ts';
import { checkKeyRing } from './key-check.ts';
import { SqlApps, type SqlAppsOptions } from './sql-apps.ts';
import { SqlDrains, type SqlDrainsOptions } from './sql-drains.ts';
import { SqlLogTokens, type SqlLogTokensOptions } from './sql-log-tokens.ts';
import { SqlSignups, type SqlSignupsOptions } from './sql-signups.ts';
import { SqlStore } from './sql-store.ts';
import { SqlUsers, type SqlUsersOptions } from './sql-users.ts';
import { sqliteEngine } from './sqlite-engine.ts';

export interface SqlRegistryOptions
  extends
    SqlUsersOptions,
    SqlSignupsOptions,
    SqlAppsOptions,
    SqlLogTokensOptions,
    SqlDrainsOptions {
  readonly file: string;
  /** There has been a registry: an empty one in its place would know nobody. */
  readonly mustExist?: boolean;
  readonly busyMsMax: number;
}

export interface SqlRegistryParts {
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
}

/**
 * Opens the registry in `options.file`, making or migrating its tables.
 * @throws AppError FORMAT_TOO_NEW, REGISTRY_DAMAGED, KEY_INVALID (another key ring wrote it, or a key is damaged);
 *   DependencyError REGISTRY_UNAVAILABLE.
 */
export async function openSqlRegistry(
  options: SqlRegistryOptions,
  parts: SqlRegistryParts,
): Promise<Registry> {
  const store = new SqlStore({ engine: sqliteEngine(options) }, parts);
  try {
    if (options.mustExist === true && (await store.isEmpty())) throw gone(options.file);
    await store.migrate();
    await checkKeyRing(store, parts.keyRing);
  } catch (error) {
    await store.close();
    throw error instanceof DependencyError ? notOpened(options.file, error) : error;
  }
  return new SqlRegistry(options, { ...parts, store });
}

class SqlRegistry implements Registry {
  readonly users: SqlUsers;
  readonly signups: SqlSignups;
  readonly apps: SqlApps;
  readonly drains: SqlDrains;
  readonly logTokens: SqlLogTokens;
  readonly #store: SqlStore;
  readonly #changes = new Changes();

  constructor(options: SqlRegistryOptions, parts: SqlRegistryParts & { readonly store: SqlStore }) {
    const shared = { ...parts, changes: this.#changes };
    this.#store = parts.store;
    this.users = new SqlUsers(options, shared);
    this.signups = new SqlSignups(options, shared);
    this.apps = new SqlApps(options, shared);
    this.drains = new SqlDrains(options, shared);
    this.logTokens = new SqlLogTokens(options, shared);
  }

  findToken(tokenHash: Buffer): Promise<TokenOwner | undefined> {
    return this.logTokens.find(tokenHash);
  }

  listDrains(): Promise<readonly DrainRow[]> {
    return this.drains.list();
  }

  onChange(listener: (change: RegistryChange) => void): () => void {
    return this.#changes.listen(listener);
  }

  problem(): string | undefined {
    return this.#store.problem();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

function notOpened(file: string, { cause }: DependencyError): DependencyError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DependencyError(
    'REGISTRY_UNAVAILABLE',
    `the registry ${file} cannot be opened: ${reason}`,
    cause,
  );
}

function gone(file: string): AppError {
  return new AppError(
    'REGISTRY_DAMAGED',
    `the registry ${file} is missing or empty, although its log is there: put the copy of it back`,
  );
}
