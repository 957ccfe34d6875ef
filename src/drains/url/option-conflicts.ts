import { isKeyOf, isStrong } from './certificate-option.ts';
import type { DrainFormat, OptionSetting, StoredOptions } from './option-values.ts';

/** What is wrong with options that are each fine. Names them, and none of their values. */
export function conflicts(
  stored: StoredOptions,
  format: DrainFormat,
  setting: OptionSetting,
): readonly string[] {
  const has = (name: string): boolean => stored[name] !== undefined;
  const isJson = format === 'ndjson' || format === 'otlp';
  const problems: string[] = [];
  if (isJson && setting.kind !== 'https') {
    problems.push(`option format: ${format} is for https drains`);
  }
  if (isJson && has('framing')) problems.push(`options framing and format ${format} contradict`);
  if (has('sd') && format !== 'rfc5424') {
    problems.push(`option sd needs format rfc5424, not ${format}`);
  }
  if (stored['insecure'] === true && has('ca')) problems.push('options insecure and ca contradict');
  if (has('client_cert') !== has('client_key')) {
    problems.push('options client_cert and client_key need each other');
  }
  problems.push(...identityProblems(stored));
  if (setting.hasCredentials === true && hasAuthorization(stored['headers'])) {
    problems.push("option headers: Authorization and the URL's user contradict");
  }
  return problems;
}

function identityProblems(stored: StoredOptions): readonly string[] {
  const { client_cert: cert, client_key: key } = stored;
  if (typeof cert !== 'string' || typeof key !== 'string') return [];
  if (!isKeyOf(cert, key)) return ['option client_key is not the key of client_cert'];
  return isStrong(cert, key) ? [] : ['option client_cert is too weak for TLS'];
}

function hasAuthorization(headers: StoredOptions[string] | undefined): boolean {
  return Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
}
