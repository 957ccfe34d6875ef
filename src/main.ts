#!/usr/bin/env node
import { exitCodes, runApp } from './app-process.ts';
import { readCaFile } from './config/ca-file.ts';
import { parseConfig } from './config/config.ts';
import { readEnv } from './config/env.ts';
import { helpText } from './config/help.ts';
import { version } from './config/version.ts';
import { systemClock } from './core/clock.ts';
import { ConfigError } from './core/errors.ts';
import { createProcessLogger } from './process-logger.ts';
import { makeHelpersGiveWay, setV8Flags } from './v8-flags.ts';

setV8Flags();
makeHelpersGiveWay();

async function main(args: readonly string[]): Promise<void> {
  const [command = 'start', ...rest] = args;
  if (rest.length > 0) return refuse(`"${command}" takes no arguments`);
  switch (command) {
    case 'start':
      return start();
    case 'check-config':
      return checkConfig();
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(helpText());
      return;
    case '--version':
    case '-v':
    case 'version':
      process.stdout.write(`${version}\n`);
      return;
    default:
      return refuse(`unknown command "${command}"`);
  }
}

/** As a start would judge, and stricter: files that are named must be there, names that are not ours are problems. */
async function checkConfig(): Promise<void> {
  const { config, warnings } = parseConfig(readEnv(), { strict: true });
  const { caFile } = config.drains.egress;
  if (caFile !== undefined) await readCaFile(caFile);
  warnings.forEach(complain);
  process.stdout.write('the configuration is valid\n');
}

async function start(): Promise<void> {
  const { config, warnings } = parseConfig(readEnv());
  const json = config.process.production || !process.stderr.isTTY;
  const logger = createProcessLogger({ level: config.process.logLevel, json });
  process.on('uncaughtException', (err) => {
    logger.error({ err, exitCode: exitCodes.software }, 'process.uncaught');
    process.exit(exitCodes.software);
  });
  for (const warning of warnings) logger.warn({ warning }, 'config.doubtful');
  logger.info({ version, node: process.version, config }, 'process.starting');
  const announce = config.process.production
    ? (line: string) => line !== '' && logger.info({ line }, 'process.announced')
    : complain;
  // Loaded only to start: help and check-config answer without the whole server.
  const { createApp } = await import('./app.ts');
  await runApp(config.process, {
    start: (onFatal, stopping) => createApp(config, { logger, onFatal, announce, stopping }),
    signals: process,
    exit: (code) => process.exit(code),
    announce,
    clock: systemClock,
    logger,
  });
}

/** To the terminal; stdout stays free for what was asked for. */
function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

function refuse(reason: string): void {
  complain(`spillway: ${reason}; "spillway --help" lists the commands`);
  process.exitCode = exitCodes.usage;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  complain(`spillway: ${error.message}`);
  process.exitCode = exitCodes.config;
}
