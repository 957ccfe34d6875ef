import type { AppRow, Registry, Role, UserRow } from '../registry/registry.ts';
import { emailKey } from '../registry/email-key.ts';
import { secretHash } from '../registry/secret-hash.ts';
import { AppError } from '../core/errors.ts';
import { unauthorised } from './api-error.ts';
import { basicCredentials } from './basic-auth.ts';

/** What a request wants to do with an app: look, change something, or what only its owner may. */
export type Need = 'view' | 'change' | 'own';

/** Who is asking, and whether they may. Every "no" is the same 401. */
export class Access {
  readonly #registry: Registry;

  constructor(parts: { readonly registry: Registry }) {
    this.#registry = parts.registry;
  }

  /** The user whose e-mail and API key the `Authorization` header carries, raw or percent-encoded. */
  async user(authorization: string | undefined): Promise<UserRow> {
    for (const { user: email, password: key } of basicCredentials(authorization)) {
      const user = await this.#registry.users.findByKey(secretHash(key));
      if (user && emailKey(user.email) === emailKey(email)) return user;
    }
    throw unauthorised();
  }

  async app(
    authorization: string | undefined,
    name: string,
    need: Need,
  ): Promise<{ user: UserRow; app: AppRow; role: Role }> {
    const user = await this.user(authorization);
    const found = await this.#registry.apps.findFor(user, name.toLowerCase());
    if (!found || !rolesFor[need].includes(found.role)) throw unauthorised();
    return { user, ...found };
  }

  /**
   * Asks again, later, for a response that is still running. The same name may be another app by then.
   * While the registry cannot answer, nobody is cut off.
   */
  stillViews(authorization: string | undefined, app: AppRow): () => Promise<boolean> {
    return async () => {
      try {
        const now = await this.app(authorization, app.name, 'view');
        return now.app.id === app.id;
      } catch (error) {
        return error instanceof AppError && error.retryable;
      }
    };
  }
}

const rolesFor: Readonly<Record<Need, readonly Role[]>> = {
  view: ['OWNER', 'COLLABORATOR', 'VIEWER'],
  change: ['OWNER', 'COLLABORATOR'],
  own: ['OWNER'],
};
