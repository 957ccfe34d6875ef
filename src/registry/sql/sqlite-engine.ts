import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import {
  type Dialect,
  type DialectAdapter,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
} from 'kysely';
import { AppError } from '../../core/errors.ts';
import type { TableDialect } from './migrations.ts';

/** All that the registry needs to know about a database engine. */
export interface SqlEngine {
  readonly dialect: Dialect;
  readonly tables: TableDialect;
}

/**
 * SQLite as part of Node, behind Kysely's own dialect. Write-ahead log with `synchronous=FULL`: a commit
 * that returned survives a power cut. Calls are synchronous, which suits a store of small rows that is
 * written when somebody types a command; the hot path reads it a few times a second at most.
 */
export function sqliteEngine(options: {
  readonly file: string;
  /** How long a statement may wait for another process, such as a backup. */
  readonly busyMsMax: number;
}): SqlEngine {
  return {
    dialect: new SqliteWithTransactionalTables({
      database: () => Promise.resolve(openDatabase(options)),
    }),
    // Without AUTOINCREMENT, SQLite gives the id of a deleted last row to the next one.
    tables: { neverReused: (column) => column.primaryKey().autoIncrement() },
  };
}

/** SQLite can take table changes back, which Kysely does not use: a kill amid a migration would end every start after it. */
class SqliteWithTransactionalTables extends SqliteDialect {
  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }
}

class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function openDatabase(options: { file: string; busyMsMax: number }): SqliteDatabase {
  mkdirSync(dirname(options.file), { recursive: true });
  // Made first, so that it and the files beside it, which take its mode, are never readable by others.
  closeSync(openSync(options.file, 'a', 0o600));
  const database = new DatabaseSync(options.file, {
    timeout: options.busyMsMax,
    enableForeignKeyConstraints: true,
  });
  try {
    database.exec('pragma journal_mode = wal; pragma synchronous = full;');
    checkIntegrity(database);
  } catch (error) {
    database.close();
    throw isDamage(error) ? damaged(options.file, error) : error;
  }
  return new KyselyDatabase(database);
}

/** Half of a registry would answer "no such token", which senders believe. It is small enough to be read whole. */
function checkIntegrity(database: DatabaseSync): void {
  const [found] = Object.values(database.prepare('pragma integrity_check(1)').get() ?? {});
  if (found !== 'ok') throw new Damage(String(found));
}

class Damage extends Error {}

/** SQLITE_CORRUPT and SQLITE_NOTADB, or what the check has found. */
function isDamage(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return error instanceof Damage || [11, 26].includes(Number(errcode) & 0xff);
}

function damaged(file: string, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError(
    'REGISTRY_DAMAGED',
    `the registry ${file} is damaged (${reason.replaceAll('\n', ' ')}): put the copy of it back`,
    { cause },
  );
}

/** What Kysely's SQLite dialect expects of a database, with the statements kept prepared. */
class KyselyDatabase implements SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, SqliteStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = kyselyStatement(this.#database.prepare(sql));
    if (this.#prepared.size >= preparedMax) this.#prepared.clear();
    // A prepared statement of a table that changes since would go stale; tables change only at the start.
    if (/^(select|insert|update|delete)\b/.test(sql)) this.#prepared.set(sql, statement);
    return statement;
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }
}

function kyselyStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}

const preparedMax = 256;
