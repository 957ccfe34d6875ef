import type { ReceivedRequest } from '../../support/https-receiver.ts';

/** What a strict reader of RFC 5424 makes of a message. */
export interface StrictMessage {
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly structuredData: string;
  readonly text: string;
}

/** Frames by their counts, nothing between them; throws for anything else. */
export function octetFrames(body: Buffer, frameBytesMax: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const count = body.toString('latin1', at, space);
    const end = space + 1 + Number(count);
    if (!/^[1-9]\d*$/.test(count)) throw new Error(`bad frame position ${at}`);
    if (Number(count) > frameBytesMax || end > body.length) throw new Error(`frame of ${count}`);
    frames.push(body.subarray(space + 1, end));
    at = end;
  }
  return frames;
}

/** As the strict parsers of the go-syslog family read it. */
export function strictMessage(frame: Buffer): StrictMessage {
  const match = strict.exec(frame.toString('utf8'))?.groups;
  const pri = Number(match?.['pri']);
  if (!match || pri > 191) throw new Error(`not RFC 5424: ${frame.toString().slice(0, 120)}`);
  const { host = '', app = '', proc = '', sd = '', text = '' } = match;
  return { hostname: host, appName: app, procId: proc, structuredData: sd, text };
}

const value = String.raw`"(?:[^"\\\]]|\\["\\\]])*"`;
const element = String.raw`\[[!-~]+?(?: [!-<>-~]+?=${value})*\]`;
const strict = new RegExp(
  String.raw`^<(?<pri>0|[1-9]\d{0,2})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d) ` +
    String.raw`(?<host>[!-~]{1,255}) (?<app>[!-~]{1,48}) (?<proc>[!-~]{1,128}) [!-~]{1,32} ` +
    String.raw`(?<sd>-|(?:${element})+)(?: (?<text>[^]*))?$`,
);

/**
 * The messages that Vector's heroku_logs source makes of a request: it splits the body into lines, counts those that
 * are not empty, and each into eight fields.
 */
export function herokuLogs({ headers }: ReceivedRequest, body: Buffer): string[] {
  for (const name of ['logplex-msg-count', 'logplex-frame-id', 'logplex-drain-token']) {
    if (headers[name] === undefined) throw new Error(`400: ${name} is missing`);
  }
  const lines = body
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  if (lines.length !== Number(headers['logplex-msg-count'])) throw new Error('400: count');
  return lines.map((line) => {
    const fields = /^\d+ <\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ ?([^]*)$/.exec(line);
    if (!fields) throw new Error(`unparsed: ${line.slice(0, 120)}`);
    return fields[1] ?? '';
  });
}
