import type { DrainOptions } from '../url/drain-options.ts';
import type { Encoder } from './encoder.ts';
import { logplexDialect, rfc5424Dialect, SyslogEncoder, type Dialect } from './syslog-encoder.ts';

/** The encoder of one drain; `token` is its `d.<uuid>`. */
export function createEncoder(
  options: Pick<DrainOptions, 'format' | 'framing' | 'hostname'>,
  token: string,
): Encoder {
  return new SyslogEncoder({ dialect: dialectOf(options, token), framing: options.framing });
}

function dialectOf(
  { format, hostname }: Pick<DrainOptions, 'format' | 'hostname'>,
  token: string,
): Dialect {
  switch (format) {
    case 'logplex':
      return logplexDialect(hostname);
    case 'rfc5424':
      return rfc5424Dialect(hostname ?? token);
  }
}
