/** Bounds how many connections are being opened at once: in this process, and to one host of it. */
export class DialSlots {
  readonly #dialsMax: number;
  readonly #dialsPerHostMax: number;
  readonly #active = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #total = 0;

  constructor(options: { readonly dialsMax: number; readonly dialsPerHostMax: number }) {
    this.#dialsMax = options.dialsMax;
    this.#dialsPerHostMax = options.dialsPerHostMax;
  }

  /**
   * Resolves when there is room, in order among those for whom there is; the returned function gives the
   * slot back. Rejects with the signal's reason when aborted.
   */
  async take(host: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (!this.#hasRoom(host)) await this.#turn(host, signal);
    else this.#enter(host);
    let held = true;
    return () => {
      if (held) this.#leave(host);
      held = false;
    };
  }

  #turn(host: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      const admit = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waiting = { host, admit };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  #hasRoom(host: string): boolean {
    return this.#total < this.#dialsMax && (this.#active.get(host) ?? 0) < this.#dialsPerHostMax;
  }

  #enter(host: string): void {
    this.#total++;
    this.#active.set(host, (this.#active.get(host) ?? 0) + 1);
  }

  #leave(host: string): void {
    this.#total--;
    const left = (this.#active.get(host) ?? 1) - 1;
    if (left === 0) this.#active.delete(host);
    else this.#active.set(host, left);
    const next = this.#waiting.findIndex((waiting) => this.#hasRoom(waiting.host));
    const [admitted] = next < 0 ? [] : this.#waiting.splice(next, 1);
    if (!admitted) return;
    this.#enter(admitted.host);
    admitted.admit();
  }
}

interface Waiting {
  readonly host: string;
  readonly admit: () => void;
}
