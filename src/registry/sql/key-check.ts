import { sql, type Kysely } from 'kysely';
import { AppError } from '../../core/errors.ts';
import { appId } from '../../core/ids.ts';
import { keyIdOf, type KeyRing, type Place } from '../key-ring.ts';
import type { Schema } from './schema.ts';
import { drainPlace } from './sql-drains.ts';
import { tokenPlace } from './sql-log-tokens.ts';
import type { SqlStore } from './sql-store.ts';

interface Sealed {
  readonly value: string;
  readonly place: Place;
}

/**
 * Tries each key that the registry was written with, so that a lost, exchanged or damaged key file shows at the start
 * and not as drains that are missing. A single value that does not open may be damaged itself: that is told where it
 * is used.
 * @throws AppError KEY_INVALID; the message names the file.
 */
export async function checkKeyRing(store: SqlStore, keyRing: KeyRing): Promise<void> {
  await checkFirst(store, keyRing);
  const groups = Map.groupBy(await samples(store), ({ value }) => keyIdOf(value));
  for (const group of groups.values()) {
    const failures = group.map((sealed) => failureOf(sealed, keyRing));
    const isOpened = failures.includes(undefined);
    if (!isOpened && group.length > 1) throw invalid(keyRing, failures[0]);
  }
}

/** The value that is there from the beginning. */
async function checkFirst(store: SqlStore, keyRing: KeyRing): Promise<void> {
  const place = { table: 'meta', row: 'key_check', field: 'value' };
  const known = await store.run((db) =>
    db.selectFrom('meta').select('value').where('name', '=', place.row).executeTakeFirst(),
  );
  if (known) {
    const failure = failureOf({ value: known.value, place }, keyRing);
    if (failure) throw invalid(keyRing, failure);
    return;
  }
  const value = keyRing.seal('spillway', place);
  await store.run((db) => db.insertInto('meta').values({ name: place.row, value }).execute());
}

/** Some values of each key. */
async function samples(store: SqlStore): Promise<readonly Sealed[]> {
  return store.run(async (db) => {
    const drains = await db
      .selectFrom('drains')
      .select(['app_id', 'token', 'url_sealed'])
      .where('id', 'in', await sampleIds(db, 'drains', 'url_sealed'))
      .execute();
    const tokens = await db
      .selectFrom('log_tokens')
      .select(['app_id', 'token_hash', 'sealed'])
      .where('id', 'in', await sampleIds(db, 'log_tokens', 'sealed'))
      .execute();
    return [
      ...drains.map(({ app_id, token, url_sealed }) => ({
        value: url_sealed,
        place: drainPlace(appId(app_id), token, 'url'),
      })),
      ...tokens.map(({ app_id, token_hash, sealed }) => ({
        value: sealed,
        place: tokenPlace(appId(app_id), token_hash),
      })),
    ];
  });
}

/** The first and the last row for each beginning of a value: that is its key's id, and a little more. */
async function sampleIds(
  db: Kysely<Schema>,
  table: 'drains' | 'log_tokens',
  column: 'url_sealed' | 'sealed',
): Promise<number[]> {
  const { rows } = await sql<{ first: number; last: number }>`
    select min(id) as first, max(id) as last from ${sql.table(table)}
    group by substr(${sql.ref(column)}, 1, 7)`.execute(db);
  return [0, ...rows.flatMap(({ first, last }) => [first, last])];
}

function failureOf({ value, place }: Sealed, keyRing: KeyRing): unknown {
  try {
    keyRing.open(value, place);
    return undefined;
  } catch (error) {
    return error;
  }
}

function invalid(keyRing: KeyRing, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError(
    'KEY_INVALID',
    `the key file ${keyRing.file} is damaged, or not the one that the registry was written with (${reason}): put the copy of it back`,
    { cause },
  );
}
