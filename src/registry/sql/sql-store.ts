import { Kysely, Migrator, type Transaction } from 'kysely';
import { AppError, DependencyError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { migrations } from './migrations.ts';
import type { Schema } from './schema.ts';
import type { SqlEngine } from './sqlite-engine.ts';

/**
 * The one door to the database: every failure that comes out of it is a DependencyError, and remembered
 * as the store's problem until something succeeds.
 */
export class SqlStore {
  readonly #db: Kysely<Schema>;
  readonly #engine: SqlEngine;
  readonly #logger: Logger;
  #problem: string | undefined;

  constructor(options: { readonly engine: SqlEngine }, parts: { readonly logger: Logger }) {
    this.#engine = options.engine;
    this.#db = new Kysely<Schema>({ dialect: options.engine.dialect });
    this.#logger = parts.logger;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  /** One or more statements, each on its own. */
  async run<T>(work: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    try {
      const result = await work(this.#db);
      this.#problem = undefined;
      return result;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** All or nothing; durable when it resolves. */
  async transaction<T>(work: (db: Transaction<Schema>) => Promise<T>): Promise<T> {
    return this.run((db) => db.transaction().execute(work));
  }

  /** There is no table in it: it is new, or all of it is gone. */
  async isEmpty(): Promise<boolean> {
    return this.run(async (db) => (await db.introspection.getTables()).length === 0);
  }

  /** @throws AppError FORMAT_TOO_NEW when a later version of the program has changed the tables. */
  async migrate(): Promise<void> {
    const migrator = new Migrator({
      db: this.#db,
      provider: migrations(this.#engine.tables),
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error !== undefined) throw migrationFailure(error);
    for (const { migrationName } of results ?? []) {
      this.#logger.info({ migration: migrationName }, 'registry.migrated');
    }
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }

  #failure(error: unknown): Error {
    if (error instanceof AppError) return error;
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#problem !== reason) this.#logger.error({ err: error }, 'registry.failed');
    this.#problem = reason;
    return new DependencyError('REGISTRY_UNAVAILABLE', 'the registry cannot answer now', error);
  }
}

function migrationFailure(error: unknown): Error {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (reason.includes('corrupted migrations')) {
    return new AppError('FORMAT_TOO_NEW', 'the registry was written by a later version', {
      cause: error,
    });
  }
  return new DependencyError(
    'REGISTRY_UNAVAILABLE',
    `the registry cannot be opened: ${reason}`,
    error,
  );
}
