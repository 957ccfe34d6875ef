import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { Changes } from '../changes.ts';
import type { KeyRing } from '../key-ring.ts';
import type { DrainRow, Registry, RegistryChange, TokenOwner } from '../registry.ts';
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
 * @throws AppError FORMAT_TOO_NEW, KEY_INVALID (another key ring wrote it); DependencyError REGISTRY_UNAVAILABLE.
 */
export async function openSqlRegistry(
  options: SqlRegistryOptions,
  parts: SqlRegistryParts,
): Promise<Registry> {
  const store = new SqlStore({ engine: sqliteEngine(options) }, parts);
  try {
    await store.migrate();
    await checkKeyRing(store, parts.keyRing);
  } catch (error) {
    await store.close();
    throw error;
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

/** A value that only the right key ring opens, so that a lost key file shows at the start and not in use. */
async function checkKeyRing(store: SqlStore, keyRing: KeyRing): Promise<void> {
  const place = { table: 'meta', row: 'key_check', field: 'value' };
  const known = await store.run((db) =>
    db.selectFrom('meta').select('value').where('name', '=', place.row).executeTakeFirst(),
  );
  if (known) {
    keyRing.open(known.value, place);
    return;
  }
  const value = keyRing.seal('spillway', place);
  await store.run((db) => db.insertInto('meta').values({ name: place.row, value }).execute());
}
