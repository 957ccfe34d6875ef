import type { DrainOptions } from '../url/drain-options.ts';

/** What the body of a request is said to be. */
export function contentTypeOf({
  format,
  framing,
}: Pick<DrainOptions, 'format' | 'framing'>): string {
  switch (format) {
    case 'ndjson':
      return 'application/x-ndjson';
    case 'otlp':
      return 'application/json';
    case 'logplex':
    case 'rfc5424':
      return framing === 'octet' ? 'application/logplex-1' : 'text/plain';
  }
}
