import { drainOptions, type DrainOptions } from '../../../src/drains/url/drain-options.ts';
import {
  parseDrainUrl,
  type DrainTarget,
  type DrainUrlPolicy,
} from '../../../src/drains/url/drain-url.ts';

/** Where a drain to `url` goes, and how, for an operator who allows plain and insecure ones. */
export function drainTarget(
  url: string,
  addresses: DrainUrlPolicy['addresses'],
): { target: DrainTarget; options: DrainOptions } {
  const parsed = parseDrainUrl(url, { plain: true, insecure: true, addresses });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  const { target, options } = parsed;
  const setting = { kind: target.kind, tls: target.tls, insecureAllowed: true };
  return { target, options: drainOptions(options, setting) };
}
