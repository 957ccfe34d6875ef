import type { FastifyInstance } from 'fastify';
import { notFound } from './api-error.ts';

/** What else the CLI may ask for: a clear answer instead of a puzzle. */
export function unavailable(method: string, url: string): Error {
  const path = url.split('?', 1)[0] ?? '';
  return path.startsWith('/api/')
    ? notFound(`${method} ${path} is not available on this installation.`)
    : notFound('There is nothing here.');
}

/** The methods that each path has, collected as routes are added, to tell a wrong method from a wrong path. */
export class KnownPaths {
  readonly #methods = new Map<string, Set<string>>();

  watch(api: FastifyInstance): void {
    api.addHook('onRoute', ({ url, method }) => {
      const methods = this.#methods.get(url) ?? new Set();
      for (const one of [method].flat()) methods.add(one);
      this.#methods.set(url, methods);
    });
  }

  /** The methods that would have matched this path, for an `Allow` header. */
  methodsOf(url: string): readonly string[] {
    const path = (url.split('?', 1)[0] ?? '').replace(/(?<=.)\/$/, '');
    const found = [...this.#methods].filter(([pattern]) => matches(pattern, path));
    return [...new Set(found.flatMap(([, methods]) => [...methods]))].toSorted();
  }
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => part.startsWith(':') || part === given[index])
  );
}
