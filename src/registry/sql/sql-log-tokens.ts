import type { Transaction } from 'kysely';
import type { Chance } from '../../core/chance.ts';
import { appId, type AppId } from '../../core/ids.ts';
import { Secret } from '../../core/secret.ts';
import type { KeyRing, Place } from '../key-ring.ts';
import type { LogTokens, TokenOwner } from '../registry.ts';
import { secretHash } from '../secret-hash.ts';
import { holdApp } from './hold-app.ts';
import type { Schema } from './schema.ts';
import type { SqlParts } from './sql-parts.ts';

export interface SqlLogTokensOptions {
  /** Beyond it, a rotation ends the oldest token at once. */
  readonly logTokensPerAppMax: number;
}

export class SqlLogTokens implements LogTokens {
  readonly #options: SqlLogTokensOptions;
  readonly #parts: SqlParts;

  constructor(options: SqlLogTokensOptions, parts: SqlParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async find(tokenHash: Buffer): Promise<TokenOwner | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .selectFrom('log_tokens')
        .innerJoin('apps', 'apps.id', 'log_tokens.app_id')
        .select(['apps.id', 'apps.name', 'log_tokens.expires_at_ms', 'log_tokens.sealed'])
        .where('log_tokens.token_hash', '=', tokenHash.toString('hex'))
        .where('apps.destroyed_at_ms', 'is', null)
        .executeTakeFirst(),
    );
    if (!row) return undefined;
    const { keyRing, clock } = this.#parts;
    if (row.expires_at_ms !== null && row.expires_at_ms <= clock.nowMs()) return undefined;
    const app = appId(row.id);
    // Opens only for the app that it was made for: a row damaged on disk must not give lines to somebody else.
    keyRing.open(row.sealed, tokenPlace(app, tokenHash.toString('hex')));
    return { app, appName: row.name };
  }

  async current(app: AppId): Promise<Secret | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .selectFrom('log_tokens')
        .select(['sealed', 'token_hash'])
        .where('app_id', '=', app)
        .where('expires_at_ms', 'is', null)
        .orderBy('id', 'desc')
        .executeTakeFirst(),
    );
    return row && new Secret(this.#parts.keyRing.open(row.sealed, tokenPlace(app, row.token_hash)));
  }

  async rotate(app: AppId, graceMs: number): Promise<Secret | undefined> {
    const nowMs = this.#parts.clock.nowMs();
    const token = await this.#parts.store.transaction(async (db) => {
      if (!(await holdApp(db, app))) return undefined;
      await this.#retire(db, app, nowMs, graceMs);
      return insertLogToken(db, app, { ...this.#parts, nowMs });
    });
    if (token) this.#parts.changes.tell({ kind: 'token' });
    return token;
  }

  async #retire(
    db: Transaction<Schema>,
    app: AppId,
    nowMs: number,
    graceMs: number,
  ): Promise<void> {
    const endsMs = nowMs + graceMs;
    await db
      .updateTable('log_tokens')
      .set({ expires_at_ms: endsMs })
      .where('app_id', '=', app)
      .where((is) => is.or([is('expires_at_ms', 'is', null), is('expires_at_ms', '>', endsMs)]))
      .execute();
    const surplus = await db
      .selectFrom('log_tokens')
      .select('id')
      .where('app_id', '=', app)
      .orderBy('id', 'desc')
      .offset(this.#options.logTokensPerAppMax - 1)
      .limit(1)
      .executeTakeFirst();
    await db
      .deleteFrom('log_tokens')
      .where('app_id', '=', app)
      .where((is) => is.or([is('expires_at_ms', '<=', nowMs), is('id', '<=', surplus?.id ?? 0)]))
      .execute();
  }
}

/** Makes a token, `t.<uuid>`, and returns it. */
export async function insertLogToken(
  db: Transaction<Schema>,
  app: AppId,
  parts: { readonly keyRing: KeyRing; readonly chance: Chance; readonly nowMs: number },
): Promise<Secret> {
  const token = `t.${parts.chance.uuid()}`;
  const hash = secretHash(token).toString('hex');
  await db
    .insertInto('log_tokens')
    .values({
      app_id: app,
      token_hash: hash,
      sealed: parts.keyRing.seal(token, tokenPlace(app, hash)),
      created_at_ms: parts.nowMs,
      expires_at_ms: null,
    })
    .execute();
  return new Secret(token);
}

export function tokenPlace(app: AppId, hash: string): Place {
  return { table: 'log_tokens', row: `${app} ${hash}`, field: 'token' };
}
