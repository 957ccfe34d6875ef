import type { RegistryChange } from './registry.ts';

/** Who wants to hear of changes, told in the order in which they were committed. */
export class Changes {
  readonly #listeners = new Set<(change: RegistryChange) => void>();

  listen(listener: (change: RegistryChange) => void): () => void {
    // A set of its own entry per call, so that one function may listen twice.
    const entry = (change: RegistryChange): void => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  tell(...changes: readonly RegistryChange[]): void {
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }
}
