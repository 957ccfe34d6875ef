import type { ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canConnect } from './can-connect.ts';
import { eventually } from './spillway-process.ts';
import { killSyslogNg, spawnSyslogNg } from './syslog-ng-program.ts';

/** A real syslog-ng with a configuration of ours. */
export class SyslogNg implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#child = spawnSyslogNg(directory);
  }

  /** Resolves when it accepts connections at `port`. */
  static async start(directory: string, configuration: string, port: number): Promise<SyslogNg> {
    await writeFile(join(directory, 'syslog-ng.conf'), configuration);
    const syslogNg = new SyslogNg(directory);
    await eventually('syslog-ng accepts connections', () => canConnect(port));
    return syslogNg;
  }

  /** What it has written to a file of its directory. */
  read(file: string): Promise<string> {
    return readFile(join(this.#directory, file), 'utf8').catch(() => '');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return killSyslogNg(this.#child);
  }
}
