import { severityOf, severityWords } from './severity.ts';

/** SeverityNumber of OpenTelemetry's log data model by syslog severity, as its appendix B has them. */
export const otlpSeverities = [21, 19, 18, 17, 13, 10, 9, 5] as const;

/** What a line that is JSON says of its own severity, in the words of the usual loggers; undefined when nothing. */
export function jsonSeverity(
  members: Readonly<Record<string, unknown>>,
): { severityNumber: number; severityText: string } | undefined {
  const name = levelNames.find((known) => Object.hasOwn(members, known));
  const level = name === undefined ? undefined : members[name];
  if (typeof level === 'string') return ofWord(level);
  return typeof level === 'number' ? ofNumber(level) : undefined;
}

const levelNames = ['severity', 'level', 'log.level', 'lvl', 'levelname'];

function ofWord(text: string): ReturnType<typeof jsonSeverity> {
  const word = text.toLowerCase();
  const ofLoggers = loggerWords.get(word);
  const syslog = /^\d$/.test(word) ? undefined : severityOf(word);
  const severityNumber = ofLoggers ?? (syslog === undefined ? undefined : otlpSeverities[syslog]);
  return severityNumber === undefined ? undefined : { severityNumber, severityText: text };
}

const loggerWords: ReadonlyMap<string, number> = new Map([
  ['trace', 1],
  ['verbose', 5],
  ['dpanic', 21],
  ['fatal', 21],
]);

/** bunyan's and pino's levels are tens; what is below is a severity of syslog. */
function ofNumber(level: number): ReturnType<typeof jsonSeverity> {
  const word = Number.isInteger(level) && level < 8 ? severityWords[level] : tens.get(level);
  return word === undefined ? undefined : ofWord(word);
}

const tens: ReadonlyMap<number, string> = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);
