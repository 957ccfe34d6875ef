import type { AppId, DrainId } from '../core/ids.ts';
import type { Secret } from '../core/secret.ts';
import type { Service } from '../core/service.ts';

/**
 * Who exists and what they own: users, apps, log tokens, drains. Promises:
 * - every method that changes something resolves when the change is durable, and is all or nothing;
 * - ids of users, apps and drains are never reused; the name of a destroyed app may be taken again;
 * - passwords, keys, codes and tokens are stored hashed; tokens and drain URLs also encrypted, bound to
 *   their row; nothing is stored in clear that lets its reader in anywhere;
 * - listeners of `onChange` hear of a change after it is durable, in order, in this process;
 * - whatever cannot be judged now is a DependencyError REGISTRY_UNAVAILABLE, never a "no".
 */
export interface Registry extends Service {
  readonly users: Users;
  readonly signups: Signups;
  readonly apps: Apps;
  readonly drains: Drains;
  readonly logTokens: LogTokens;
  /** The app that a log token (by its SHA-256) belongs to; undefined is the registry's own no. */
  findToken(tokenHash: Buffer): Promise<TokenOwner | undefined>;
  /** Every drain there is, but for those whose secrets cannot be opened: these are logged. */
  listDrains(): Promise<readonly DrainRow[]>;
  /** The returned function ends it. Listeners must not throw. */
  onChange(listener: (change: RegistryChange) => void): () => void;
}

export type RegistryChange =
  | { readonly kind: 'drain'; readonly drain: DrainId }
  | { readonly kind: 'app'; readonly app: AppId }
  | { readonly kind: 'token' }
  | { readonly kind: 'access'; readonly app: AppId }
  | { readonly kind: 'key'; readonly user: UserId };

export type UserId = number & { readonly brand: 'UserId' };

export interface TokenOwner {
  readonly app: AppId;
  readonly appName: string;
}

export interface UserRow {
  readonly id: UserId;
  /** As its owner wrote it; compared without regard to case. */
  readonly email: string;
  readonly tier: Tier;
  readonly createdAtMs: number;
}

export type Tier = 'FREE' | 'STANDARD';

export interface AppRow {
  readonly id: AppId;
  readonly name: string;
  readonly owner: string;
  readonly cloud: string;
  readonly region: string;
  readonly stack: string;
  readonly createdAtMs: number;
}

/** What a user may do with an app: everything; everything but giving it away; look. */
export type Role = 'OWNER' | 'COLLABORATOR' | 'VIEWER';
export type GrantedRole = Exclude<Role, 'OWNER'>;

export interface PermissionRow {
  readonly email: string;
  readonly role: GrantedRole;
}

export interface DrainRow {
  readonly id: DrainId;
  readonly app: AppId;
  /** `d.<uuid>`. */
  readonly token: string;
  /** Canonical, with credentials, without fragment. */
  readonly url: Secret<string>;
  /** What people may see of the URL. */
  readonly masked: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Where a drain without a checkpoint starts: a printed position, and the app's lines before it. */
  readonly start: DrainStart;
  readonly createdAtMs: number;
  /** Nothing is sent until it is resumed. */
  readonly isPaused: boolean;
  /** Counts the times that it was resumed: a higher one than known asks to try at once, whatever the state. */
  readonly resumes: number;
}

export type StoredDrainOptions = DrainRow['options'];

export interface DrainStart {
  readonly position: string;
  readonly appSeq: number;
}

/** A drain URL that has been found acceptable, taken apart. */
export interface DrainSpec {
  /** Canonical, without fragment, with credentials. */
  readonly url: string;
  readonly masked: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface SshKeyRow {
  readonly id: number;
  readonly key: string;
}

export interface Users {
  findByEmail(email: string): Promise<(UserRow & { readonly passwordHash: string }) | undefined>;
  /** The user whose key (by its SHA-256) this is. */
  findByKey(keyHash: Buffer): Promise<UserRow | undefined>;
  /** Makes one more key; ends no other, but for the oldest beyond the bound. */
  addKey(user: UserId, key: Secret): Promise<void>;
  /** Ends all keys and makes this one. */
  replaceKeys(user: UserId, key: Secret): Promise<void>;
  /** Ends the reset tokens that were mailed; keys stay, as scripts live on them. */
  setPassword(user: UserId, passwordHash: string): Promise<void>;
  /** Renames; permissions given to the old address follow. False when the address is taken. */
  setEmail(user: UserId, email: string): Promise<boolean>;
  /** Removes the user, their keys and the permissions given to them. False while they own an app. */
  destroy(user: UserId): Promise<boolean>;
  /**
   * Remembers a mailed token; an earlier one of the same kind of the same user ends. Not so `email_revoke`:
   * whoever took over an account could otherwise end its owner's way back by changing the address again.
   */
  addMailToken(token: Secret, about: MailToken): Promise<void>;
  /** What a mailed token stands for, and ends it. */
  takeMailToken(token: Secret, kind: MailToken['kind']): Promise<MailToken | undefined>;
  endMailTokens(user: UserId, kind: MailToken['kind']): Promise<void>;
  sshKeys(user: UserId): Promise<readonly SshKeyRow[]>;
  /** `duplicate` when the user has this key, `full` at the bound. */
  addSshKey(user: UserId, key: string): Promise<'added' | 'duplicate' | 'full'>;
  removeSshKey(user: UserId, id: number): Promise<boolean>;
}

export interface MailToken {
  readonly kind: 'password_reset' | 'email_confirm' | 'email_revoke';
  readonly user: UserId;
  /** The new address of an `email_confirm`, the old one of an `email_revoke`; else empty. */
  readonly email: string;
  readonly expiresAtMs: number;
}

/** Signups in progress. */
export interface Signups {
  /** Starts one; with `code` undefined, one that no code ever confirms. Returns its uuid. */
  open(signup: NewSignup): Promise<string>;
  find(uuid: string): Promise<SignupRow | undefined>;
  /** Counts the attempt and judges it; `exhausted` when no attempt was left. */
  tryCode(uuid: string, code: Secret): Promise<'confirmed' | 'wrong' | 'exhausted'>;
  /** A new code for the address's newest unconfirmed signup; the attempts made so far stay counted. */
  renewCode(email: string, code: Secret, expiresAtMs: number): Promise<boolean>;
  setPassword(uuid: string, passwordHash: string): Promise<void>;
  /** Makes the user with a first key and ends the signup. Undefined when the address is taken. */
  finish(uuid: string, tier: Tier, key: Secret): Promise<UserRow | undefined>;
}

export interface NewSignup {
  readonly email: string;
  readonly code: Secret | undefined;
  readonly expiresAtMs: number;
}

export interface SignupRow {
  readonly uuid: string;
  readonly email: string;
  readonly confirmed: boolean;
  readonly hasPassword: boolean;
  readonly expiresAtMs: number;
}

export interface Apps {
  /** Undefined when there is none, or it was destroyed. */
  find(app: AppId): Promise<AppRow | undefined>;
  /** Makes an app and its first log token. `taken`: the name; `full`: the owner has as many as allowed. */
  create(app: NewApp): Promise<AppRow | 'taken' | 'full'>;
  /** The app of that name and the user's role there; undefined when there is none, or none for this user. */
  findFor(user: UserRow, name: string): Promise<{ app: AppRow; role: Role } | undefined>;
  listFor(user: UserRow): Promise<readonly AppRow[]>;
  /** Ends the app, its tokens, drains and permissions. */
  destroy(app: AppId): Promise<void>;
  permissions(app: AppId): Promise<readonly PermissionRow[]>;
  /** Adds, or changes the role. `owner`: the address is the owner's; `full`: as many as allowed. */
  grant(app: AppId, email: string, role: GrantedRole): Promise<'granted' | 'owner' | 'full'>;
  revoke(app: AppId, email: string): Promise<boolean>;
}

export interface NewApp {
  readonly name: string;
  readonly owner: UserId;
  readonly cloud: string;
  readonly region: string;
  readonly stack: string;
}

export interface Drains {
  listOf(app: AppId): Promise<readonly DrainRow[]>;
  /** `duplicate`: the app has a drain with this URL; `full`: as many as allowed; `gone`: the app was destroyed. */
  add(
    app: AppId,
    spec: DrainSpec,
    start: DrainStart,
  ): Promise<DrainRow | 'duplicate' | 'full' | 'gone'>;
  /** False when the app has no such drain. */
  remove(app: AppId, drain: DrainId): Promise<boolean>;
  /** The drain as it is then; undefined when the app has no such drain. So for the next two. */
  pause(app: AppId, drain: DrainId): Promise<DrainRow | undefined>;
  resume(app: AppId, drain: DrainId): Promise<DrainRow | undefined>;
  /** Options in the place of those it has, and nothing else; `kept` when `options` gives none. */
  setOptions(
    app: AppId,
    drain: DrainId,
    options: (row: DrainRow) => StoredDrainOptions | undefined,
  ): Promise<DrainRow | 'kept' | undefined>;
}

export interface LogTokens {
  /** The app's newest token; undefined when the app was destroyed. */
  current(app: AppId): Promise<Secret | undefined>;
  /** Makes a new token; all others end after `graceMs`, or when they would have ended earlier. */
  rotate(app: AppId, graceMs: number): Promise<Secret | undefined>;
}
