import type { DrainOptions } from '../url/drain-options.ts';
import type { Encoder } from './encoder.ts';
import { NdjsonEncoder } from './ndjson-encoder.ts';
import { OtlpEncoder } from './otlp-encoder.ts';
import { logplexDialect, rfc5424Dialect, SyslogEncoder, type Dialect } from './syslog-encoder.ts';

export type EncoderOptions = Pick<
  DrainOptions,
  | 'format'
  | 'framing'
  | 'hostname'
  | 'structuredData'
  | 'messageBytesMax'
  | 'stripAnsi'
  | 'stripPrefix'
>;

/** The encoder of one drain; `token` is its `d.<uuid>`. */
export function createEncoder(options: EncoderOptions, token: string): Encoder {
  const { hostname, structuredData, messageBytesMax = Infinity, stripAnsi, stripPrefix } = options;
  const text = { stripAnsi, stripPrefix, messageBytesMax };
  switch (options.format) {
    case 'logplex':
      return syslogEncoder(logplexDialect(hostname), options, text);
    case 'rfc5424':
      return syslogEncoder(rfc5424Dialect(hostname ?? token, structuredData), options, text);
    case 'ndjson':
      return new NdjsonEncoder({ hostname, text });
    case 'otlp':
      return new OtlpEncoder({ hostname, text });
  }
}

function syslogEncoder(
  dialect: Dialect,
  { framing }: EncoderOptions,
  text: { stripAnsi: boolean; stripPrefix: boolean; messageBytesMax: number },
): SyslogEncoder {
  // Without rules every text is copied as it is, which is much cheaper than to look at it.
  const isChanged = text.stripAnsi || text.stripPrefix || text.messageBytesMax < Infinity;
  return new SyslogEncoder({ dialect, framing, ...(isChanged ? { text } : {}) });
}
