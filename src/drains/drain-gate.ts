import type { DrainRow, DrainSpec } from '../registry/registry.ts';
import { parseDrainUrl, type DrainUrlPolicy } from './url/drain-url.ts';
import { optionRules } from './url/option-rules.ts';
import { maskedNames, shownOptions } from './url/shown-options.ts';

export type DrainVerdict =
  | { readonly ok: true; readonly spec: DrainSpec }
  | { readonly ok: false; readonly problems: readonly string[] };

export type OptionVerdict =
  | { readonly ok: true; readonly options: DrainRow['options'] }
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

  /**
   * The options of a drain with `changes` in them, of which null takes one away. All of them are judged anew, as the
   * operator may have changed his mind.
   */
  changed(
    drain: Pick<DrainRow, 'url' | 'options'>,
    changes: Readonly<Record<string, unknown>>,
  ): OptionVerdict {
    const masked = maskedNames(changes);
    if (masked.length > 0) {
      const problems = masked.map((name) => `option ${name} is masked: leave it out to keep it`);
      return { ok: false, problems };
    }
    const wanted = Object.entries({ ...drain.options, ...changes });
    // Null takes away what this version knows, or what an earlier one has stored; anything else is a mistyped name.
    const given = Object.fromEntries(
      wanted.filter(([name, value]) => value !== null || !isTakenAway(name, drain.options)),
    );
    const parsed = parseDrainUrl(drain.url.reveal(), this.#policy, given);
    return parsed.ok ? { ok: true, options: parsed.options } : parsed;
  }

  /** Options of a drain as people may see them. */
  shown(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return shownOptions(options);
  }
}

function isTakenAway(name: string, options: DrainRow['options']): boolean {
  return optionRules.has(name) || Object.hasOwn(options, name);
}
