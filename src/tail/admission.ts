import { DependencyError } from '../core/errors.ts';
import type { AppId } from '../core/ids.ts';
import { type Refusal, refusal } from './refusal.ts';

interface AdmissionOptions {
  readonly sessionsMax: number;
  readonly appSessionsMax: number;
}

/** Counts the sessions, and says who must stay outside. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #ofApp = new Map<AppId, number>();
  #sessions = 0;
  #isClosed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Counts a session in, unless it is refused. */
  enter(app: AppId): Refusal | undefined {
    const refused = this.refusal(app);
    if (refused) return refused;
    this.#sessions++;
    this.#ofApp.set(app, (this.#ofApp.get(app) ?? 0) + 1);
    return undefined;
  }

  leave(app: AppId): void {
    const left = (this.#ofApp.get(app) ?? 0) - 1;
    this.#sessions--;
    if (left > 0) this.#ofApp.set(app, left);
    else this.#ofApp.delete(app);
  }

  refusal(app: AppId): Refusal | undefined {
    const { sessionsMax, appSessionsMax } = this.#options;
    if (this.#isClosed) return refusal(503, 'shutting down, try again');
    if (this.#sessions >= sessionsMax) return refusal(503, 'too many open tails, try again later');
    if ((this.#ofApp.get(app) ?? 0) < appSessionsMax) return undefined;
    return refusal(429, `too many open tails of this app (at most ${appSessionsMax})`);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** @throws DependencyError for a session that was let in but has not begun when the door closed. */
  assertOpen(): void {
    if (this.#isClosed) throw new DependencyError('BUS_UNAVAILABLE', 'shutting down');
  }
}
