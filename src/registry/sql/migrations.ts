import type { ColumnDefinitionBuilder, Kysely, Migration, MigrationProvider } from 'kysely';

/** What differs between engines when tables are made. Queries know no difference. */
export interface TableDialect {
  /** Makes a column a primary key whose values are never given out twice, not even after a delete. */
  neverReused(column: ColumnDefinitionBuilder): ColumnDefinitionBuilder;
}

/** All changes of the tables since the first version, by name, applied in the order of their names. */
export function migrations(dialect: TableDialect): MigrationProvider {
  return {
    getMigrations: () =>
      Promise.resolve({
        '0001-users': usersMigration(dialect),
        '0002-apps': appsMigration(dialect),
        '0003-drain-states': drainStatesMigration,
      }),
  };
}

function usersMigration(dialect: TableDialect): Migration {
  const id = (column: ColumnDefinitionBuilder) => dialect.neverReused(column);
  return {
    async up(db: Kysely<never>): Promise<void> {
      await db.schema
        .createTable('meta')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('value', 'text', required)
        .execute();
      await db.schema
        .createTable('users')
        .addColumn('id', 'integer', id)
        .addColumn('email', 'text', required)
        .addColumn('email_key', 'text', (column) => column.notNull().unique())
        .addColumn('password_hash', 'text', required)
        .addColumn('tier', 'text', required)
        .addColumn('created_at_ms', 'bigint', required)
        .execute();
      await db.schema
        .createTable('api_keys')
        .addColumn('id', 'integer', id)
        .addColumn('user_id', 'integer', ofUser)
        .addColumn('key_hash', 'text', (column) => column.notNull().unique())
        .addColumn('created_at_ms', 'bigint', required)
        .execute();
      await db.schema
        .createTable('mail_tokens')
        .addColumn('token_hash', 'text', (column) => column.primaryKey())
        .addColumn('user_id', 'integer', ofUser)
        .addColumn('kind', 'text', required)
        .addColumn('email', 'text', required)
        .addColumn('expires_at_ms', 'bigint', required)
        .execute();
      await db.schema
        .createTable('ssh_keys')
        .addColumn('id', 'integer', id)
        .addColumn('user_id', 'integer', ofUser)
        .addColumn('key', 'text', required)
        .addColumn('created_at_ms', 'bigint', required)
        .addUniqueConstraint('ssh_keys_of_user', ['user_id', 'key'])
        .execute();
      await db.schema
        .createTable('signups')
        .addColumn('uuid', 'text', (column) => column.primaryKey())
        .addColumn('email', 'text', required)
        .addColumn('email_key', 'text', required)
        .addColumn('code_mac', 'text')
        .addColumn('attempts', 'integer', required)
        .addColumn('password_hash', 'text')
        .addColumn('confirmed_at_ms', 'bigint')
        .addColumn('created_at_ms', 'bigint', required)
        .addColumn('expires_at_ms', 'bigint', required)
        .execute();
      await index(db, 'api_keys', ['user_id']);
      await index(db, 'mail_tokens', ['user_id', 'kind']);
      await index(db, 'signups', ['email_key']);
      await index(db, 'signups', ['expires_at_ms']);
    },
  };
}

function appsMigration(dialect: TableDialect): Migration {
  const id = (column: ColumnDefinitionBuilder) => dialect.neverReused(column);
  return {
    async up(db: Kysely<never>): Promise<void> {
      await db.schema
        .createTable('apps')
        .addColumn('id', 'integer', id)
        .addColumn('name', 'text', required)
        .addColumn('owner_id', 'integer', (column) =>
          column.references('users.id').onDelete('set null'),
        )
        .addColumn('cloud', 'text', required)
        .addColumn('region', 'text', required)
        .addColumn('stack', 'text', required)
        .addColumn('created_at_ms', 'bigint', required)
        .addColumn('destroyed_at_ms', 'bigint')
        .execute();
      await db.schema
        .createIndex('apps_name')
        .unique()
        .on('apps')
        .column('name')
        .where('destroyed_at_ms' as never, 'is', null)
        .execute();
      await db.schema
        .createTable('permissions')
        .addColumn('app_id', 'integer', ofApp)
        .addColumn('email', 'text', required)
        .addColumn('email_key', 'text', required)
        .addColumn('role', 'text', required)
        .addColumn('created_at_ms', 'bigint', required)
        .addPrimaryKeyConstraint('permissions_key', ['app_id', 'email_key'])
        .execute();
      await db.schema
        .createTable('log_tokens')
        .addColumn('id', 'integer', id)
        .addColumn('app_id', 'integer', ofApp)
        .addColumn('token_hash', 'text', (column) => column.notNull().unique())
        .addColumn('sealed', 'text', required)
        .addColumn('created_at_ms', 'bigint', required)
        .addColumn('expires_at_ms', 'bigint')
        .execute();
      await db.schema
        .createTable('drains')
        .addColumn('id', 'integer', id)
        .addColumn('app_id', 'integer', ofApp)
        .addColumn('token', 'text', (column) => column.notNull().unique())
        .addColumn('url_sealed', 'text', required)
        .addColumn('masked', 'text', required)
        .addColumn('options_sealed', 'text', required)
        .addColumn('start_position', 'text', required)
        .addColumn('start_app_seq', 'bigint', required)
        .addColumn('created_at_ms', 'bigint', required)
        .execute();
      await index(db, 'apps', ['owner_id']);
      await index(db, 'permissions', ['email_key']);
      await index(db, 'log_tokens', ['app_id']);
      await index(db, 'drains', ['app_id']);
    },
  };
}

/** What owners do to their drains. */
const drainStatesMigration: Migration = {
  async up(db: Kysely<never>): Promise<void> {
    await db.schema.alterTable('drains').addColumn('paused_at_ms', 'bigint').execute();
    await db.schema
      .alterTable('drains')
      .addColumn('resumes', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
  },
};

async function index(db: Kysely<never>, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns.join('_')}`)
    .on(table)
    .columns(columns)
    .execute();
}

function required(column: ColumnDefinitionBuilder): ColumnDefinitionBuilder {
  return column.notNull();
}

function ofUser(column: ColumnDefinitionBuilder): ColumnDefinitionBuilder {
  return column.notNull().references('users.id').onDelete('cascade');
}

function ofApp(column: ColumnDefinitionBuilder): ColumnDefinitionBuilder {
  return column.notNull().references('apps.id').onDelete('cascade');
}
