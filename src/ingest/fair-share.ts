import type { AppId } from '../core/ids.ts';

export interface FairShareOptions {
  /** Of all apps together. */
  readonly bytesMax: number;
  /** Of one app, so that no app can keep the others waiting. */
  readonly appBytesMax: number;
}

/** One app may hold an eighth, so that no app can keep the others waiting. */
const appShares = 8;

export function createFairShare(options: { readonly bytesInFlightMax: number }): FairShare {
  const bytesMax = options.bytesInFlightMax;
  return new FairShare({ bytesMax, appBytesMax: bytesMax / appShares });
}

/** Bytes held, and how many of those who hold them do not wait for more. */
interface Held {
  bytes: number;
  claims: number;
  active: number;
}

/** Memory that requests hold, of each app and together. App 0 stands for senders that are not known yet. */
export class FairShare {
  readonly #options: FairShareOptions;
  readonly #all: Held = { bytes: 0, claims: 0, active: 0 };
  readonly #apps = new Map<AppId | 0, Held>();

  constructor(options: FairShareOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#all.bytes;
  }

  /** Room for a request of the app, or undefined when there is none. One request alone always fits. */
  claim(app: AppId | 0, bytes: number): Claim | undefined {
    const held = this.#apps.get(app) ?? { bytes: 0, claims: 0, active: 0 };
    const { bytesMax, appBytesMax } = this.#options;
    if (held.claims > 0 && held.bytes + bytes > appBytesMax) return undefined;
    if (this.#all.claims > 0 && this.#all.bytes + bytes > bytesMax) return undefined;
    this.#apps.set(app, held);
    return new Claim(this.#options, this.#all, held, bytes, () => {
      if (held.claims === 0) this.#apps.delete(app);
    });
  }
}

/** The room of one request. */
export class Claim {
  readonly #options: FairShareOptions;
  readonly #all: Held;
  readonly #app: Held;
  readonly #released: () => void;
  #bytes = 0;
  #isActive = true;

  constructor(
    options: FairShareOptions,
    all: Held,
    app: Held,
    bytes: number,
    released: () => void,
  ) {
    this.#options = options;
    this.#all = all;
    this.#app = app;
    this.#released = released;
    this.#count(1, 1);
    this.resize(bytes);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Asks for more; who is refused waits and asks again. Where all who hold room wait for more, the one who asks gets
   * it beyond the bound, because otherwise none of them would ever end.
   */
  grow(bytes: number): boolean {
    if (this.#isActive) this.#count(0, -1);
    this.#isActive = false;
    const { bytesMax, appBytesMax } = this.#options;
    if (this.#app.active > 0 && this.#app.bytes + bytes > appBytesMax) return false;
    if (this.#all.active > 0 && this.#all.bytes + bytes > bytesMax) return false;
    this.#count(0, 1);
    this.#isActive = true;
    this.resize(this.#bytes + bytes);
    return true;
  }

  /** More is held than there should be; a request alone is never too much. */
  get isTooMuch(): boolean {
    const { bytesMax, appBytesMax } = this.#options;
    const isAppOver = this.#app.claims > 1 && this.#app.bytes > appBytesMax;
    return isAppOver || (this.#all.claims > 1 && this.#all.bytes > bytesMax);
  }

  /** What is held is known now. */
  resize(bytes: number): void {
    const more = bytes - this.#bytes;
    this.#bytes = bytes;
    this.#app.bytes += more;
    this.#all.bytes += more;
  }

  release(): void {
    this.resize(0);
    this.#count(-1, this.#isActive ? -1 : 0);
    this.#released();
  }

  #count(claims: number, active: number): void {
    this.#app.claims += claims;
    this.#all.claims += claims;
    this.#app.active += active;
    this.#all.active += active;
  }
}
