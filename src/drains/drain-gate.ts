import type { DrainSpec } from '../registry/registry.ts';
import { parseDrainUrl, type DrainUrlPolicy } from './url/drain-url.ts';
import { shownOptions } from './url/shown-options.ts';

export type DrainVerdict =
  | { readonly ok: true; readonly spec: DrainSpec }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Judges drain URLs when they are added; looks at the text alone, never at the network. */
export class DrainGate {
  readonly #policy: DrainUrlPolicy;

  constructor(policy: DrainUrlPolicy) {
    this.#policy = policy;
  }

  /**
   * Options are those of the URL's fragment and those in `options`, values as JSON has them. Problems are phrases
   * about the URL (`host is not public`) or name an option, and quote nothing secret of either.
   */
  check(url: string, options?: Readonly<Record<string, unknown>>): DrainVerdict {
    const parsed = parseDrainUrl(url, this.#policy, options);
    if (!parsed.ok) return parsed;
    const { target, options: stored } = parsed;
    return { ok: true, spec: { url: target.canonical, masked: target.masked, options: stored } };
  }

  /** Options of a drain as people may see them. */
  shown(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return shownOptions(options);
  }
}
