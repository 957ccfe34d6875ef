import { appId, drainId, type AppId } from '../../core/ids.ts';
import { emailKey } from '../email-key.ts';
import type {
  AppRow,
  Apps,
  GrantedRole,
  NewApp,
  PermissionRow,
  Role,
  UserRow,
} from '../registry.ts';
import { insertLogToken } from './sql-log-tokens.ts';
import type { SqlParts } from './sql-parts.ts';
import type { SqlStore } from './sql-store.ts';

export interface SqlAppsOptions {
  readonly appsPerUserMax: number;
  readonly permissionsPerAppMax: number;
}

export class SqlApps implements Apps {
  readonly #options: SqlAppsOptions;
  readonly #parts: SqlParts;

  constructor(options: SqlAppsOptions, parts: SqlParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async create(app: NewApp): Promise<AppRow | 'taken' | 'full'> {
    const created = await this.#parts.store.transaction(async (db) => {
      const { count } = await db
        .selectFrom('apps')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('owner_id', '=', app.owner)
        .where('destroyed_at_ms', 'is', null)
        .executeTakeFirstOrThrow();
      if (Number(count) >= this.#options.appsPerUserMax) return 'full';
      const nowMs = this.#parts.clock.nowMs();
      const { owner, ...columns } = app;
      const row = await db
        .insertInto('apps')
        .values({ ...columns, owner_id: owner, created_at_ms: nowMs, destroyed_at_ms: null })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (!row) return 'taken';
      const id = appId(row.id);
      await insertLogToken(db, id, { ...this.#parts, nowMs });
      const { email } = await db
        .selectFrom('users')
        .select('email')
        .where('id', '=', owner)
        .executeTakeFirstOrThrow();
      return { ...columns, id, owner: email, createdAtMs: nowMs };
    });
    if (typeof created !== 'string') this.#parts.changes.tell({ kind: 'app', app: created.id });
    return created;
  }

  async find(app: AppId): Promise<AppRow | undefined> {
    const row = await this.#parts.store.run((db) =>
      db
        .selectFrom('apps')
        .innerJoin('users as owners', 'owners.id', 'apps.owner_id')
        .select([
          'apps.id',
          'apps.name',
          'apps.cloud',
          'apps.region',
          'apps.stack',
          'apps.created_at_ms',
          'owners.email as owner',
        ])
        .where('apps.id', '=', app)
        .where('apps.destroyed_at_ms', 'is', null)
        .executeTakeFirst(),
    );
    return row && appRow(row);
  }

  async findFor(user: UserRow, name: string): Promise<{ app: AppRow; role: Role } | undefined> {
    const row = await this.#parts.store.run((db) =>
      visibleApps(db, user).where('apps.name', '=', name).executeTakeFirst(),
    );
    if (!row) return undefined;
    return { app: appRow(row), role: row.owner_id === user.id ? 'OWNER' : (row.role as Role) };
  }

  async listFor(user: UserRow): Promise<readonly AppRow[]> {
    const rows = await this.#parts.store.run((db) =>
      visibleApps(db, user).orderBy('apps.name').execute(),
    );
    return rows.map(appRow);
  }

  async destroy(app: AppId): Promise<void> {
    const drains = await this.#parts.store.transaction(async (db) => {
      await db
        .updateTable('apps')
        .set({ destroyed_at_ms: this.#parts.clock.nowMs() })
        .where('id', '=', app)
        .where('destroyed_at_ms', 'is', null)
        .execute();
      await db.deleteFrom('log_tokens').where('app_id', '=', app).execute();
      await db.deleteFrom('permissions').where('app_id', '=', app).execute();
      return db.deleteFrom('drains').where('app_id', '=', app).returning('id').execute();
    });
    this.#parts.changes.tell(
      ...drains.map(({ id }) => ({ kind: 'drain', drain: drainId(id) }) as const),
      { kind: 'token' },
      { kind: 'access', app },
      { kind: 'app', app },
    );
  }

  async permissions(app: AppId): Promise<readonly PermissionRow[]> {
    const rows = await this.#parts.store.run((db) =>
      db
        .selectFrom('permissions')
        .select(['email', 'role'])
        .where('app_id', '=', app)
        .orderBy('email_key')
        .execute(),
    );
    return rows.map(({ email, role }) => ({ email, role: role as GrantedRole }));
  }

  async grant(app: AppId, email: string, role: GrantedRole): Promise<'granted' | 'owner' | 'full'> {
    const outcome = await this.#parts.store.transaction(async (db) => {
      const key = emailKey(email);
      const owner = await db
        .selectFrom('apps')
        .innerJoin('users', 'users.id', 'apps.owner_id')
        .select('users.email_key')
        .where('apps.id', '=', app)
        .executeTakeFirst();
      if (owner?.email_key === key) return 'owner';
      const others = await db
        .selectFrom('permissions')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('app_id', '=', app)
        .where('email_key', '!=', key)
        .executeTakeFirstOrThrow();
      if (Number(others.count) >= this.#options.permissionsPerAppMax) return 'full';
      await db
        .insertInto('permissions')
        .values({
          app_id: app,
          email,
          email_key: key,
          role,
          created_at_ms: this.#parts.clock.nowMs(),
        })
        .onConflict((conflict) =>
          conflict.columns(['app_id', 'email_key']).doUpdateSet({ email, role }),
        )
        .execute();
      return 'granted';
    });
    if (outcome === 'granted') this.#parts.changes.tell({ kind: 'access', app });
    return outcome;
  }

  async revoke(app: AppId, email: string): Promise<boolean> {
    const row = await this.#parts.store.run((db) =>
      db
        .deleteFrom('permissions')
        .where('app_id', '=', app)
        .where('email_key', '=', emailKey(email))
        .returning('app_id')
        .executeTakeFirst(),
    );
    if (row) this.#parts.changes.tell({ kind: 'access', app });
    return row !== undefined;
  }
}

/** The apps that a user owns or was given a role in, each with that role. */
function visibleApps(db: Parameters<Parameters<SqlStore['run']>[0]>[0], user: UserRow) {
  return db
    .selectFrom('apps')
    .innerJoin('users as owners', 'owners.id', 'apps.owner_id')
    .leftJoin('permissions', (join) =>
      join
        .onRef('permissions.app_id', '=', 'apps.id')
        .on('permissions.email_key', '=', emailKey(user.email)),
    )
    .select([
      'apps.id',
      'apps.name',
      'apps.owner_id',
      'apps.cloud',
      'apps.region',
      'apps.stack',
      'apps.created_at_ms',
      'owners.email as owner',
      'permissions.role',
    ])
    .where('apps.destroyed_at_ms', 'is', null)
    .where((is) =>
      is.or([is('apps.owner_id', '=', user.id), is('permissions.role', 'is not', null)]),
    );
}

interface VisibleApp {
  id: number;
  name: string;
  owner: string;
  cloud: string;
  region: string;
  stack: string;
  created_at_ms: number;
}

function appRow(row: VisibleApp): AppRow {
  return {
    id: appId(row.id),
    name: row.name,
    owner: row.owner,
    cloud: row.cloud,
    region: row.region,
    stack: row.stack,
    createdAtMs: row.created_at_ms,
  };
}
