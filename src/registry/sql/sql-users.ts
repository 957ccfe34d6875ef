import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Secret } from '../../core/secret.ts';
import { emailKey } from '../email-key.ts';
import type { MailToken, SshKeyRow, Tier, UserId, UserRow, Users } from '../registry.ts';
import { secretHash } from '../secret-hash.ts';
import type { Schema } from './schema.ts';
import type { SqlParts } from './sql-parts.ts';

export interface SqlUsersOptions {
  /** Beyond it, a new key ends the oldest one. */
  readonly apiKeysPerUserMax: number;
  readonly sshKeysPerUserMax: number;
}

export class SqlUsers implements Users {
  readonly #options: SqlUsersOptions;
  readonly #parts: SqlParts;

  constructor(options: SqlUsersOptions, parts: SqlParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async findByEmail(email: string): Promise<(UserRow & { passwordHash: string }) | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .selectFrom('users')
        .selectAll()
        .where('email_key', '=', emailKey(email))
        .executeTakeFirst(),
    );
    return row && { ...userRow(row), passwordHash: row.password_hash };
  }

  async findByKey(keyHash: Buffer): Promise<UserRow | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .selectFrom('api_keys')
        .innerJoin('users', 'users.id', 'api_keys.user_id')
        .selectAll('users')
        .where('api_keys.key_hash', '=', keyHash.toString('hex'))
        .executeTakeFirst(),
    );
    return row && userRow(row);
  }

  async addKey(user: UserId, key: Secret): Promise<void> {
    await this.#parts.store.transaction(async (db) => {
      await insertKey(db, user, key, this.#parts.clock.nowMs());
      const surplus = await db
        .selectFrom('api_keys')
        .select('id')
        .where('user_id', '=', user)
        .orderBy('id', 'desc')
        .offset(this.#options.apiKeysPerUserMax)
        .limit(1)
        .executeTakeFirst();
      if (surplus) {
        await db
          .deleteFrom('api_keys')
          .where('user_id', '=', user)
          .where('id', '<=', surplus.id)
          .execute();
      }
    });
    this.#parts.changes.tell({ kind: 'key', user });
  }

  async replaceKeys(user: UserId, key: Secret): Promise<void> {
    await this.#parts.store.transaction(async (db) => {
      await db.deleteFrom('api_keys').where('user_id', '=', user).execute();
      await insertKey(db, user, key, this.#parts.clock.nowMs());
    });
    this.#parts.changes.tell({ kind: 'key', user });
  }

  async setPassword(user: UserId, passwordHash: string): Promise<void> {
    await this.#parts.store.transaction(async (db) => {
      await db
        .updateTable('users')
        .set({ password_hash: passwordHash })
        .where('id', '=', user)
        .execute();
      await endMailTokens(db, user, 'password_reset');
    });
  }

  async setEmail(user: UserId, email: string): Promise<boolean> {
    const changed = await this.#parts.store.transaction(async (db) => {
      const key = emailKey(email);
      const row = await db
        .selectFrom('users')
        .select('email_key')
        .where('id', '=', user)
        .executeTakeFirst();
      const holder = await db
        .selectFrom('users')
        .select('id')
        .where('email_key', '=', key)
        .executeTakeFirst();
      if (!row || (holder && holder.id !== user)) return false;
      await db.updateTable('users').set({ email, email_key: key }).where('id', '=', user).execute();
      if (key !== row.email_key) await movePermissions(db, row.email_key, email);
      return true;
    });
    if (changed) this.#parts.changes.tell({ kind: 'key', user });
    return changed;
  }

  async destroy(user: UserId): Promise<boolean> {
    const destroyed = await this.#parts.store.transaction(async (db) => {
      const owned = await db
        .selectFrom('apps')
        .select('id')
        .where('owner_id', '=', user)
        .where('destroyed_at_ms', 'is', null)
        .limit(1)
        .executeTakeFirst();
      if (owned) return false;
      const row = await db
        .deleteFrom('users')
        .where('id', '=', user)
        .returning('email_key')
        .executeTakeFirst();
      if (row) await db.deleteFrom('permissions').where('email_key', '=', row.email_key).execute();
      return true;
    });
    if (destroyed) this.#parts.changes.tell({ kind: 'key', user });
    return destroyed;
  }

  async addMailToken(token: Secret, about: MailToken): Promise<void> {
    await this.#parts.store.transaction(async (db) => {
      await db
        .deleteFrom('mail_tokens')
        .where('expires_at_ms', '<=', this.#parts.clock.nowMs())
        .execute();
      if (about.kind !== 'email_revoke') await endMailTokens(db, about.user, about.kind);
      await db
        .insertInto('mail_tokens')
        .values({
          token_hash: secretHash(token.reveal()).toString('hex'),
          user_id: about.user,
          kind: about.kind,
          email: about.email,
          expires_at_ms: about.expiresAtMs,
        })
        .execute();
    });
  }

  async takeMailToken(token: Secret, kind: MailToken['kind']): Promise<MailToken | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .deleteFrom('mail_tokens')
        .where('token_hash', '=', secretHash(token.reveal()).toString('hex'))
        .where('kind', '=', kind)
        .returning(['user_id', 'email', 'expires_at_ms'])
        .executeTakeFirst(),
    );
    if (!row || row.expires_at_ms <= this.#parts.clock.nowMs()) return undefined;
    return { kind, user: row.user_id as UserId, email: row.email, expiresAtMs: row.expires_at_ms };
  }

  async endMailTokens(user: UserId, kind: MailToken['kind']): Promise<void> {
    await this.#parts.store.run((db) => endMailTokens(db, user, kind));
  }

  async sshKeys(user: UserId): Promise<readonly SshKeyRow[]> {
    return this.#parts.store.run((db) =>
      db
        .selectFrom('ssh_keys')
        .select(['id', 'key'])
        .where('user_id', '=', user)
        .orderBy('id')
        .execute(),
    );
  }

  async addSshKey(user: UserId, key: string): Promise<'added' | 'duplicate' | 'full'> {
    return this.#parts.store.transaction(async (db) => {
      const { count } = await db
        .selectFrom('ssh_keys')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('user_id', '=', user)
        .executeTakeFirstOrThrow();
      if (Number(count) >= this.#options.sshKeysPerUserMax) return 'full';
      const row = await db
        .insertInto('ssh_keys')
        .values({ user_id: user, key, created_at_ms: this.#parts.clock.nowMs() })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      return row ? 'added' : 'duplicate';
    });
  }

  async removeSshKey(user: UserId, id: number): Promise<boolean> {
    const row = await this.#parts.store.run((db) =>
      db
        .deleteFrom('ssh_keys')
        .where('user_id', '=', user)
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst(),
    );
    return row !== undefined;
  }
}

export function userRow(row: Selectable<Schema['users']>): UserRow {
  return {
    id: row.id as UserId,
    email: row.email,
    tier: row.tier as Tier,
    createdAtMs: row.created_at_ms,
  };
}

export async function insertKey(
  db: Transaction<Schema>,
  user: UserId,
  key: Secret,
  nowMs: number,
): Promise<void> {
  await db
    .insertInto('api_keys')
    .values({
      user_id: user,
      key_hash: secretHash(key.reveal()).toString('hex'),
      created_at_ms: nowMs,
    })
    .execute();
}

async function endMailTokens(
  db: Kysely<Schema>,
  user: UserId,
  kind: MailToken['kind'],
): Promise<void> {
  await db.deleteFrom('mail_tokens').where('user_id', '=', user).where('kind', '=', kind).execute();
}

/** Permissions belong to addresses. Where the new one already has one on an app, that one stays. */
async function movePermissions(
  db: Transaction<Schema>,
  fromKey: string,
  email: string,
): Promise<void> {
  await db
    .deleteFrom('permissions')
    .where('email_key', '=', fromKey)
    .where('app_id', 'in', (known) =>
      known.selectFrom('permissions').select('app_id').where('email_key', '=', emailKey(email)),
    )
    .execute();
  await db
    .updateTable('permissions')
    .set({ email, email_key: emailKey(email) })
    .where('email_key', '=', fromKey)
    .execute();
}
