import { variables, type Variable } from './variables.ts';

/** What `spillway --help` prints. */
export function helpText(): string {
  const described = Object.values<Variable>(variables).map(
    (variable) => `  ${variable.name}\n      ${variable.meaning} (${fallbackText(variable)})`,
  );
  return [
    'spillway: a durable, logplex-compatible log pipeline and drain router',
    '',
    'Usage:',
    '  spillway                starts it; SIGTERM or SIGINT stops it in good order, a second one at once',
    '  spillway check-config   says whether the environment can be started with, and starts nothing',
    '  spillway --help         this text',
    '  spillway --version      the version',
    '',
    'Exit codes:',
    ...exitCodes.map(([code, meaning]) => `  ${code.padEnd(4)}${meaning}`),
    '',
    'Environment (what stands without it in parentheses):',
    ...described,
    '',
  ].join('\n');
}

/** In words, for people. */
function fallbackText({ fallback }: Variable): string {
  if ('words' in fallback) return fallback.words;
  return fallback.text === '' ? 'none' : fallback.text;
}

const exitCodes = [
  ['0', 'stopped in good order'],
  ['64', 'the command is not one of the above'],
  [
    '69',
    'something that the start needs is not available: the port, the data directory, its format',
  ],
  ['70', 'a bug of ours; the log line before it says which'],
  ['74', 'the disk failed a write of the log'],
  ['78', 'the environment cannot be started with; every problem is listed'],
  ['130', 'a second SIGINT ended it at once; 143: a second SIGTERM'],
] as const;
