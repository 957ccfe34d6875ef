import type { Generated } from 'kysely';

/**
 * The tables. Ciphertexts and hashes are text, and times are milliseconds since 1970, so that every engine
 * stores them alike.
 */
export interface Schema {
  meta: MetaTable;
  users: UsersTable;
  api_keys: ApiKeysTable;
  mail_tokens: MailTokensTable;
  ssh_keys: SshKeysTable;
  signups: SignupsTable;
  apps: AppsTable;
  permissions: PermissionsTable;
  log_tokens: LogTokensTable;
  drains: DrainsTable;
}

interface MetaTable {
  name: string;
  value: string;
}

interface UsersTable {
  id: Generated<number>;
  email: string;
  /** The address in lower case, unique. */
  email_key: string;
  password_hash: string;
  tier: string;
  created_at_ms: number;
}

interface ApiKeysTable {
  id: Generated<number>;
  user_id: number;
  /** SHA-256 in hex. */
  key_hash: string;
  created_at_ms: number;
}

interface MailTokensTable {
  token_hash: string;
  user_id: number;
  kind: string;
  email: string;
  expires_at_ms: number;
}

interface SshKeysTable {
  id: Generated<number>;
  user_id: number;
  key: string;
  created_at_ms: number;
}

interface SignupsTable {
  uuid: string;
  email: string;
  email_key: string;
  /** Keyed hash; null when no code can confirm it. */
  code_mac: string | null;
  attempts: number;
  password_hash: string | null;
  confirmed_at_ms: number | null;
  created_at_ms: number;
  expires_at_ms: number;
}

interface AppsTable {
  id: Generated<number>;
  /** Unique among the apps that are not destroyed. */
  name: string;
  /** Null once the owner is gone, which only a destroyed app survives. */
  owner_id: number | null;
  cloud: string;
  region: string;
  stack: string;
  created_at_ms: number;
  destroyed_at_ms: number | null;
}

interface PermissionsTable {
  app_id: number;
  email: string;
  email_key: string;
  role: string;
  created_at_ms: number;
}

interface LogTokensTable {
  id: Generated<number>;
  app_id: number;
  /** SHA-256 in hex, unique. */
  token_hash: string;
  sealed: string;
  created_at_ms: number;
  expires_at_ms: number | null;
}

interface DrainsTable {
  id: Generated<number>;
  app_id: number;
  token: string;
  url_sealed: string;
  masked: string;
  options_sealed: string;
  start_position: string;
  start_app_seq: number;
  created_at_ms: number;
  /** Null while it is not paused. */
  paused_at_ms: number | null;
  /** How often it was resumed: whoever runs the drain sees by it that he has not seen the last one. */
  resumes: Generated<number>;
}
