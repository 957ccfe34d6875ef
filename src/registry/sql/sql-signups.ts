import type { Secret } from '../../core/secret.ts';
import { emailKey } from '../email-key.ts';
import type { Place } from '../key-ring.ts';
import type { NewSignup, SignupRow, Signups, Tier, UserId, UserRow } from '../registry.ts';
import type { SqlParts } from './sql-parts.ts';
import { insertKey, userRow } from './sql-users.ts';

export interface SqlSignupsOptions {
  /** Guesses at the code of one signup. */
  readonly codeAttemptsMax: number;
}

export class SqlSignups implements Signups {
  readonly #options: SqlSignupsOptions;
  readonly #parts: SqlParts;

  constructor(options: SqlSignupsOptions, parts: SqlParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async open({ email, code, expiresAtMs }: NewSignup): Promise<string> {
    const uuid = this.#parts.chance.uuid();
    const nowMs = this.#parts.clock.nowMs();
    await this.#parts.store.transaction(async (db) => {
      await db.deleteFrom('signups').where('expires_at_ms', '<=', nowMs).execute();
      await db
        .insertInto('signups')
        .values({
          uuid,
          email,
          email_key: emailKey(email),
          code_mac: code ? this.#parts.keyRing.sign(code.reveal(), codeOf(uuid)) : null,
          attempts: 0,
          password_hash: null,
          confirmed_at_ms: null,
          created_at_ms: nowMs,
          expires_at_ms: expiresAtMs,
        })
        .execute();
    });
    return uuid;
  }

  async find(uuid: string): Promise<SignupRow | undefined> {
    const row = await this.#parts.store.run((db) =>
      db.selectFrom('signups').selectAll().where('uuid', '=', uuid).executeTakeFirst(),
    );
    if (!row) return undefined;
    return {
      uuid: row.uuid,
      email: row.email,
      confirmed: row.confirmed_at_ms !== null,
      hasPassword: row.password_hash !== null,
      expiresAtMs: row.expires_at_ms,
    };
  }

  async tryCode(uuid: string, code: Secret): Promise<'confirmed' | 'wrong' | 'exhausted'> {
    return this.#parts.store.transaction(async (db) => {
      // Counted before it is judged, in one statement, so that guesses sent at once are all counted.
      const row = await db
        .updateTable('signups')
        .set((known) => ({ attempts: known('attempts', '+', 1) }))
        .where('uuid', '=', uuid)
        .returning(['attempts', 'code_mac'])
        .executeTakeFirst();
      if (!row || row.attempts > this.#options.codeAttemptsMax) return 'exhausted';
      const right =
        row.code_mac !== null &&
        this.#parts.keyRing.isSigned(row.code_mac, code.reveal(), codeOf(uuid));
      if (!right) return 'wrong';
      await db
        .updateTable('signups')
        .set({ confirmed_at_ms: this.#parts.clock.nowMs() })
        .where('uuid', '=', uuid)
        .execute();
      return 'confirmed';
    });
  }

  async renewCode(email: string, code: Secret, expiresAtMs: number): Promise<boolean> {
    return this.#parts.store.transaction(async (db) => {
      const row = await db
        .selectFrom('signups')
        .select('uuid')
        .where('email_key', '=', emailKey(email))
        .where('confirmed_at_ms', 'is', null)
        .where('code_mac', 'is not', null)
        .where('expires_at_ms', '>', this.#parts.clock.nowMs())
        .orderBy('created_at_ms', 'desc')
        .executeTakeFirst();
      if (!row) return false;
      await db
        .updateTable('signups')
        .set({
          code_mac: this.#parts.keyRing.sign(code.reveal(), codeOf(row.uuid)),
          expires_at_ms: expiresAtMs,
        })
        .where('uuid', '=', row.uuid)
        .execute();
      return true;
    });
  }

  async setPassword(uuid: string, passwordHash: string): Promise<void> {
    await this.#parts.store.run((db) =>
      db
        .updateTable('signups')
        .set({ password_hash: passwordHash })
        .where('uuid', '=', uuid)
        .execute(),
    );
  }

  async finish(uuid: string, tier: Tier, key: Secret): Promise<UserRow | undefined> {
    return this.#parts.store.transaction(async (db) => {
      const signup = await db
        .deleteFrom('signups')
        .where('uuid', '=', uuid)
        .where('confirmed_at_ms', 'is not', null)
        .where('password_hash', 'is not', null)
        .returning(['email', 'email_key', 'password_hash'])
        .executeTakeFirst();
      if (!signup?.password_hash) return undefined;
      const user = await db
        .insertInto('users')
        .values({
          email: signup.email,
          email_key: signup.email_key,
          password_hash: signup.password_hash,
          tier,
          created_at_ms: this.#parts.clock.nowMs(),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returningAll()
        .executeTakeFirst();
      if (!user) return undefined;
      await insertKey(db, user.id as UserId, key, this.#parts.clock.nowMs());
      return userRow(user);
    });
  }
}

function codeOf(uuid: string): Place {
  return { table: 'signups', row: uuid, field: 'code' };
}
