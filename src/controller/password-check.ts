import { emailKey } from '../registry/email-key.ts';
import type { Registry, UserRow } from '../registry/registry.ts';
import { invalid, tooMany } from './api-error.ts';
import type { AttemptLimiter } from './attempt-limiter.ts';
import type { Credentials } from './basic-auth.ts';
import type { ControllerMetrics } from './controller-metrics.ts';
import type { Passwords } from './passwords.ts';

/** Every look at a password goes through here, so that every guess is counted. */
export class PasswordCheck {
  readonly #registry: Registry;
  readonly #passwords: Passwords;
  readonly #limiter: AttemptLimiter;
  readonly #metrics: ControllerMetrics;

  constructor(parts: {
    readonly registry: Registry;
    readonly passwords: Passwords;
    readonly attempts: AttemptLimiter;
    readonly metrics: ControllerMetrics;
  }) {
    this.#registry = parts.registry;
    this.#passwords = parts.passwords;
    this.#limiter = parts.attempts;
    this.#metrics = parts.metrics;
  }

  /** The user whom one of these readings of a header lets in. Takes as long for a user that does not exist. */
  async login(readings: readonly Credentials[], address: string): Promise<UserRow | undefined> {
    for (const { user: email, password } of readings) {
      // What is no address is only the encoded spelling of one: no account, and no time spent on it.
      if (!email.includes('@')) continue;
      const user = await this.#verify(email, password, address);
      if (user) return user;
    }
    return undefined;
  }

  /** For a user who is let in already. @throws ApiError 422 for a wrong password, 429 after too many. */
  async confirm(user: UserRow, password: string, address: string): Promise<void> {
    if (!(await this.#verify(user.email, password, address))) {
      throw invalid('The current password is wrong.');
    }
  }

  async #verify(email: string, password: string, address: string): Promise<UserRow | undefined> {
    const attempt = { account: emailKey(email), address };
    const waitMs = this.#limiter.begin(attempt);
    if (waitMs > 0) {
      this.#metrics.limited('password');
      throw tooMany(waitMs);
    }
    const user = await this.#registry.users.findByEmail(email);
    const right = await this.#passwords.verify(password, user?.passwordHash);
    if (!user || !right) return undefined;
    this.#limiter.forgive(attempt);
    return user;
  }
}
